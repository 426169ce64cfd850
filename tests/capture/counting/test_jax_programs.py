"""Contractions of a JAX program, read from its jaxpr with the user's text and shapes, without compiling."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.analysis.contractions.flops import arithmetic
from instrumented_calc.analysis.contractions.jax_modules import join_modules
from instrumented_calc.capture.counting.jax_scopes import place_of
from instrumented_calc.capture.counting.jaxprs import contractions_of
from instrumented_calc.integration import Part
from instrumented_calc.journal.reader import read_journal

jax = pytest.importorskip("jax")
jnp = jax.numpy


@pytest.fixture
def compilations():
    """Take the compile events of JAX, which tracing anew would emit, too."""
    seen = []

    def listen(event, _, **details):
        if event.startswith("/jax/core/compile/"):
            seen.append((event, details))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def program(function, *shapes):
    """Return a function that has been compiled and run, with its arguments."""
    jitted = jax.jit(function)
    arguments = tuple(jnp.ones(shape, jnp.float32) for shape in shapes)
    jitted(*arguments)
    return jitted, arguments, {}


def einsum(equation, *shapes):
    return program(lambda *operands: jnp.einsum(equation, *operands), *shapes)


def only(found):
    ((contracted, times),) = found.items()
    assert times == 1
    return contracted


def words(*shapes):
    return tuple(f"float32[{','.join(map(str, shape))}]" for shape in shapes)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bi,bij->bj", [(5, 4), (5, 4, 3)]),
        ("mnpqr,pqr->mn", [(2, 3, 4, 5, 6), (4, 5, 6)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("kj,ji", [(3, 4), (4, 5)]),
        ("bij,bjk->ik", [(2, 3, 4), (2, 4, 5)]),
        ("i,j->ij", [(3,), (4,)]),
        ("i,j->ji", [(3,), (4,)]),
        ("ij,ik->jik", [(3, 4), (3, 5)]),
        ("ij,ij->", [(3, 4), (3, 4)]),
        ("ij,ij->ji", [(3, 4), (3, 4)]),
        ("ija,jb->ib", [(3, 4, 2), (4, 5)]),
        ("...i,ij->...j", [(7, 2, 4), (4, 5)]),
        ("...i,...i", [(7, 4), (2, 7, 4)]),
        ("ij,jk->ik", [(3, 1), (4, 5)]),
        ("ij,jk->ik", [(1, 4), (4, 5)]),
        ("Zi,iz->zZ", [(3, 3), (3, 3)]),
    ],
)
def test_an_einsum_of_two_has_its_users_text_and_the_shapes_he_gave(equation, shapes, compilations):
    run = einsum(equation, *shapes)
    del compilations[:]
    found = only(contractions_of(*run))
    assert compilations == []
    assert (found.equation, found.einsum) == (equation, equation)
    assert found.operands == words(*shapes)


def test_blanks_in_an_equation_do_not_count():
    assert only(contractions_of(*einsum(" bi , bij -> bj", (5, 4), (5, 4, 3)))).equation == "bi,bij->bj"


def test_indices_by_number_have_letters_of_our_own():
    found = only(contractions_of(*program(lambda a, b: jnp.einsum(a, (7, 3), b, (3, 1)), (3, 4), (4, 5))))
    assert (found.equation, found.einsum) == ("ab,ca->bc", "")
    assert found.operands == words((4, 5), (3, 4))


def test_a_matrix_product_is_an_equation_in_letters():
    found = only(contractions_of(*program(lambda a, b: a @ b, (2, 3, 4), (2, 4, 5))))
    assert found.equation == "abc,acd->abd"
    assert found.operands == words((2, 3, 4), (2, 4, 5))
    assert found.einsum == ""


def test_each_step_of_an_einsum_of_three_names_it():
    shapes = [(7, 4), (7, 5), (4, 5, 6)]
    found = contractions_of(*einsum("...i,...j,ijk->...k", *shapes))
    assert {each.einsum for each in found} == {"...i,...j,ijk->...k"}
    assert {each.equation: each.operands for each in found} == {
        "ab,ac->abc": words((7, 5), (7, 4)),
        "abc,cbd->ad": words((7, 5, 4), (4, 5, 6)),
    }


def test_a_derivative_is_not_a_call_of_the_einsum_that_it_is_of():
    def energy(x, y):
        with jax.named_scope("layer"):
            return jnp.einsum("ij,jk->ik", x, y).sum()

    forward, backward = contractions_of(*program(jax.value_and_grad(energy), (3, 3), (3, 3)))
    assert (forward.equation, forward.scope) == ("ij,jk->ik", "layer")
    assert (backward.equation, backward.scope) == ("ab,cb->ac", "layer (backward)")
    assert backward.einsum == "ij,jk->ik"


def test_a_contraction_in_a_scan_runs_as_often_as_the_scan_is_long():
    def chain(x):
        return jax.lax.scan(lambda carry, _: (jnp.einsum("ij,jk->ik", carry, carry), None), x, None, 7)[0]

    assert {each.equation: times for each, times in contractions_of(*program(chain, (3, 3))).items()} == {
        "ij,jk->ik": 7
    }


def test_a_loop_that_does_not_report_its_runs_is_said_to_be_uncertain():
    def until(x):
        return jax.lax.while_loop(lambda y: y.sum() < 100, lambda y: jnp.einsum("ij,jk->ik", y, y), x)

    found = only(contractions_of(*program(until, (3, 3))))
    assert found.equation == "ij,jk->ik"
    assert found.uncertain


def test_a_function_inside_a_function_keeps_the_modules_around_it():
    inner = jax.jit(lambda x, y: jnp.einsum("ij,jk->ki", x, y))

    def outer(x, y):
        with jax.named_scope("outer"):
            return inner(x, y)

    found = only(contractions_of(*program(outer, (3, 4), (4, 5))))
    assert (found.equation, found.scope) == ("ij,jk->ki", "outer")


def test_a_method_is_followed_to_the_function_that_was_compiled():
    class Model:
        weights = 3

        @jax.jit
        def apply(self, x):
            return x @ x

    jax.tree_util.register_static(Model)
    model, x = Model(), jnp.ones((3, 3))
    model.apply(x)
    assert only(contractions_of(model.apply, (x,), {})).equation == "ab,bc->ac"


def test_a_function_that_jax_has_not_compiled_contracts_nothing_that_is_known():
    assert contractions_of(lambda x: x @ x, (np.ones((3, 3)),), {}) == {}


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ("", ("", "")),
        ("jvp(Modules)/embedding/...i,...j,ijk->...k", ("Modules/embedding", "...i,...j,ijk->...k")),
        ("jit(f)/transpose(jvp(Modules))/energy/Layer_1", ("Modules/energy/Layer_1 (backward)", "")),
        ("jit(f)/while/body/closed_call/a/checkpoint/b", ("a/b", "")),
        ("vmap(i , ij->j)", ("", "i,ij->j")),
        ("dense", ("dense", "")),
    ],
)
def test_names_of_places_are_read(stack, place):
    assert place_of(stack) == place


# -- in a run --------------------------------------------------------------------------------------------


class Network:
    """A calculator whose model is a program of JAX."""

    def __init__(self):
        self.results = {}
        self.model = SimpleNamespace(apply=jax.jit(lambda x, y: jnp.einsum("bi,bij->bj", x, y)))
        self.arguments = jnp.ones((5, 4)), jnp.ones((5, 4, 3))
        self.times = 1

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        for _ in range(self.times):
            self.model.apply(*self.arguments).block_until_ready()


@contextmanager
def known(monkeypatch, shapes):
    """Have the core find an integration that knows `Network`."""
    integration = SimpleNamespace(
        knows=lambda _: True,
        describe=lambda _: {},
        parts=lambda calc: [Part("network", calc.model, "apply", shapes=shapes)],
    )
    entry_point = SimpleNamespace(name="network", value="network", load=lambda: integration)
    with monkeypatch.context() as patched:
        patched.setattr("instrumented_calc.integration.installed", lambda: (entry_point,))
        yield


def shapes_of(x, y):
    return x.shape, y.shape


def test_executions_are_counted_with_the_contractions_of_each(monkeypatch):
    calc = Network()
    with known(monkeypatch, shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        twin.times = 3
        twin.calculate(copper())
        for _ in range(4):
            twin.calculate(copper())
        twin.arguments = jnp.ones((6, 4)), jnp.ones((6, 4, 3))
        twin.calculate(copper())
        recording(twin).close()
    journal = read_journal("run.jsonl")
    (row,) = measure_contractions(journal).rows
    assert (row.equation, row.library, row.component, row.calls) == ("bi,bij->bj", "jax", "network", 18)
    assert row.ns is None  # JAX does not report it
    calls = {each.operands: each.calls for each in row.signatures}
    assert calls == {words((5, 4), (5, 4, 3)): 15, words((6, 4), (6, 4, 3)): 3}
    (module,) = join_modules(journal)
    assert (module.einsums, module.contractions, module.ns) == (("bi,bij->bj",), 3, None)


def test_a_warm_program_is_explained_without_any_compilation(monkeypatch, compilations):
    calc = Network()
    calc.calculate()
    del compilations[:]
    with known(monkeypatch, shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        for _ in range(3):
            twin.calculate(copper())
        recording(twin).close()
    assert compilations == []
    assert measure_contractions(read_journal("run.jsonl")).calls == 3


def test_a_program_is_explained_once(monkeypatch):
    explained = []
    real = contractions_of

    def watched(*args):
        explained.append(args)
        return real(*args)

    monkeypatch.setattr("instrumented_calc.capture.counting.cells.contractions_of", watched)
    calc = Network()
    with known(monkeypatch, shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        for _ in range(20):
            twin.calculate(copper())
        recording(twin).close()
    assert len(explained) == 1


def test_numpy_and_jax_report_the_same_of_the_same_einsum(monkeypatch):
    calc = Network()
    x, y = (np.ones(shape, np.float32) for shape in ((5, 4), (5, 4, 3)))

    def calculate(atoms=None, properties=("energy",), system_changes=()):
        Network.calculate(calc)
        np.einsum("bi,bij->bj", x, y)

    calc.calculate = calculate
    with known(monkeypatch, shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        twin.calculate(copper())
        recording(twin).close()
    by_jax, by_numpy = sorted(
        measure_contractions(read_journal("run.jsonl")).rows, key=lambda row: row.library
    )
    assert (by_jax.library, by_numpy.library) == ("jax", "numpy")
    assert by_jax.equation == by_numpy.equation
    assert by_jax.signatures[0].operands == by_numpy.signatures[0].operands
    assert by_jax.flops == by_numpy.flops == 2 * by_jax.macs
    assert arithmetic("bi,bij->bj", words((5, 4), (5, 4, 3))).macs == by_jax.macs == 60


@pytest.mark.parametrize("fault", ["shapes", "explanation"])
def test_a_fault_is_reported_once_and_costs_no_row(monkeypatch, fault, capsys):
    def broken(*_):
        raise LookupError("no such thing\n" + "0 " * 1000)

    if fault == "explanation":
        monkeypatch.setattr("instrumented_calc.capture.counting.cells.contractions_of", broken)
    calc = Network()
    with known(monkeypatch, broken if fault == "shapes" else shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        for size in (5, 6, 7):
            twin.arguments = jnp.ones((size, 4)), jnp.ones((size, 4, 3))
            twin.calculate(copper())
        recording(twin).close()
    found = read_records("run.jsonl")
    assert len(found.calls) == 3
    assert found.counters["faults"] == 1
    assert found.of("contractions") == []
    (notice,) = (each for each in found.of("notice") if each["kind"] == "recorder-fault")
    assert "contractions of JAX programs (RuntimeError: LookupError: no such thing)" in notice["text"]
    capsys.readouterr()


def test_a_program_inlined_in_another_is_not_counted_as_an_execution(monkeypatch):
    calc = Network()
    outer = jax.jit(lambda x, y: calc.model.apply(x, y).sum())

    def calculate(atoms=None, properties=("energy",), system_changes=()):
        outer(*calc.arguments).block_until_ready()

    calc.calculate = calculate
    with known(monkeypatch, shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        twin.calculate(copper())
        recording(twin).close()
    found = read_records("run.jsonl")
    assert found.of("contractions") == []
    assert found.counters["faults"] == 0


def test_a_function_that_failed_has_not_run(monkeypatch):
    calc = Network()
    calc.arguments = jnp.ones((5, 4)), jnp.ones((9, 4, 3))
    with known(monkeypatch, shapes_of):
        twin = ProfiledCalculator(calc, journal="run.jsonl", summary=False)
        with pytest.raises((TypeError, ValueError)):
            twin.calculate(copper())
        recording(twin).close()
    found = read_records("run.jsonl")
    assert found.of("contractions") == []
    assert found.counters["faults"] == 0
