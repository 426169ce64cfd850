"""Every torch.einsum of a recorded call is counted, exactly, and nothing else changes."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import time

import pytest
from tests.capture.counting.working import Working, contracted
from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording, span
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.capture.counting import cells
from instrumented_calc.capture.counting.torch_einsum import TorchEinsumProbe
from instrumented_calc.journal.reader import read_journal

torch = pytest.importorskip("torch")
imported_early = torch.einsum
partial = functools.partial(torch.einsum, "ij,jk->ik")
A, B = torch.arange(6.0).reshape(2, 3), torch.arange(12.0).reshape(3, 4)


def as_default(a, b, contract=torch.einsum):
    return contract("ij,jk->ik", a, b)


def calls_of(found):
    return {} if found is None else {row.equation: row.calls for row in found.rows}


ROUTES = {
    "attribute": lambda: torch.einsum("ij,jk->ik", A, B),
    "early from-import": lambda: imported_early("ij,jk->ik", A, B),
    "partial": lambda: partial(A, B),
    "default argument": lambda: as_default(A, B),
    "functional": lambda: torch.functional.einsum("ij,jk->ik", A, B),
    "a list of operands": lambda: torch.einsum("ij,jk->ik", [A, B]),
    "a parameter": lambda: torch.einsum("ij,jk->ik", A, torch.nn.Parameter(B)),
    "spaces": lambda: torch.einsum("ij, jk -> ik", A, B),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_way_to_call_it_is_counted_once(route):
    found, value = contracted(ROUTES[route], calls=3)
    (row,) = found.rows
    assert row.library == "torch"
    assert row.equation == "ij,jk->ik"
    assert row.calls == 3
    assert row.exact
    (signature,) = row.signatures
    assert signature.operands == ("float32[2,3]", "float32[3,4]")
    assert signature.arithmetic.macs == 24
    assert signature.line.startswith(__name__)
    assert torch.equal(value, ROUTES[route]())


def test_lists_of_indices_get_torchs_letters():
    work = lambda: torch.einsum(A, [0, 30], B, [30, 2], [0, 2])  # noqa: E731 - compared with itself
    found, value = contracted(work)
    assert calls_of(found) == {"Ae,eC->AC": 1}
    assert torch.equal(value, work())


@pytest.mark.parametrize(
    "wrong",
    [("ij,jk->ik", A, A), ("ij,jk->ik",), (), ("ij->ij->", A), (A, "x"), (None, A), ("i", [])],
    ids=lambda wrong: str(len(wrong)),
)
def test_errors_are_torchs_own(wrong):
    with pytest.raises(Exception) as bare:  # noqa: PT011 - whatever torch raises
        torch.einsum(*wrong)

    def work():
        with pytest.raises(type(bare.value)) as inside:
            torch.einsum(*wrong)
        assert inside.value.__context__ is None or bare.value.__context__ is not None
        return str(inside.value)

    _, message = contracted(work)
    assert message == str(bare.value)


def test_one_three_and_mixed_operands_are_inspected_too():
    def work():
        torch.einsum("ii", torch.eye(3))
        torch.einsum("ij,jk,kl->il", A, B, B.T)
        torch.einsum("i,i->i", torch.ones(3, device="meta"), torch.ones(3, device="meta"))

    rows = {row.equation: row for row in contracted(work)[0].rows}
    assert rows["ii"].signatures[0].operands == ("float32[3,3]",)
    assert rows["ij,jk,kl->il"].signatures[0].operands == ("float32[2,3]", "float32[3,4]", "float32[4,3]")
    assert rows["i,i->i"].signatures[0].operands == ("float32[3]@meta", "float32[3]@meta")


def test_the_component_that_called_is_named():
    def work():
        torch.einsum("ij->ji", A)
        with span("pairs"):
            torch.einsum("ij->ji", A)

    found, _ = contracted(work)
    assert {row.component: row.calls for row in found.rows} == {"": 1, "pairs": 1}


def test_nothing_is_counted_outside_of_calls_and_in_threads_without_a_call():
    def work():
        thread = threading.Thread(target=lambda: torch.einsum("ij->ji", A))
        thread.start()
        thread.join()
        torch.einsum("ij->i", A)

    torch.einsum("ij->j", A)
    assert calls_of(contracted(work)[0]) == {"ij->i": 1}


def test_counts_stay_exact_when_most_calls_are_only_counted(monkeypatch):
    monkeypatch.setattr(cells, "QUICK_NS", 10**9)
    n = 2 * cells.REVIEW_AFTER
    calc = ProfiledCalculator(
        Working(lambda: [torch.einsum("ij->ji", A) for _ in range(n)]), journal="c.jsonl", summary=False
    )
    for _ in range(2):
        calc.calculate(copper())
        time.sleep(0.3)  # the journal's thread decides
    calc.calculate(copper())
    recording(calc).close()
    (row,) = measure_contractions(read_journal("c.jsonl")).rows
    assert row.calls == 3 * n
    assert not row.exact


def test_gradients_are_bitwise_those_of_bare_torch():
    def work():
        a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
        (torch.einsum("ij,jk->ik", a, b).sin() ** 2).sum().backward()
        return a.grad, b.grad

    found, grads = contracted(work)
    assert calls_of(found) == {"ij,jk->ik": 1}
    assert all(torch.equal(*pair) for pair in zip(grads, work(), strict=True))


def test_functorch_counts_once_a_batch():
    def work():
        return torch.func.vmap(lambda a: torch.einsum("i,i->", a, a))(A)

    found, value = contracted(work)
    assert calls_of(found) == {"i,i->": 1}
    assert torch.equal(value, work())


class Marked(torch.Tensor):
    """A subclass with torch's default override."""


def test_a_subclass_is_counted_once_and_keeps_its_type():
    found, value = contracted(lambda: torch.einsum("ij->ji", A.as_subclass(Marked)))
    assert calls_of(found) == {"ij->ji": 1}
    assert type(value) is Marked


def test_a_mode_sees_torchs_own_function_and_is_counted_once():
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    def work():
        with Mode():
            return torch.einsum("ij->ji", A)

    found, _ = contracted(work)
    assert calls_of(found) == {"ij->ji": 1}
    assert seen[0] is torch.einsum


def test_fake_tensors_are_not_counted():
    fake_tensors = pytest.importorskip("torch._subclasses.fake_tensor")

    def work():
        torch.einsum("ij->i", A)
        with fake_tensors.FakeTensorMode():
            fake = torch.ones(2, 3)
            torch.einsum("ij->i", fake)
            torch.einsum("ij,ij->i", fake, fake)

    assert calls_of(contracted(work)[0]) == {"ij->i": 1}


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_scripting_and_tracing_work_while_runs_are_recorded():

    def work():
        scripted = torch.jit.script(to_script)
        return scripted(A, B), torch.jit.trace(as_default, (A, B))(A, B)

    _, values = contracted(work)
    assert all(torch.equal(value, A @ B) for value in values)


def to_script(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.einsum("ij,jk->ik", a, b)


def broken(a, b):
    c = torch.einsum("ij,jk->ik", a, b)
    torch._dynamo.graph_break()
    return torch.einsum("ij,kj->ik", c, c) + 1


class TestCompiled:
    """torch.compile compiles as often as without a recording, and the operations that it runs are counted."""

    @pytest.fixture(autouse=True)
    def dynamo(self):
        dynamo = pytest.importorskip("torch._dynamo")
        dynamo.reset()
        yield dynamo
        dynamo.reset()

    def run(self, function, record):
        """Return graphs and breaks of a compiled function: bare, in a call, bare again."""
        counters = torch._dynamo.utils.counters
        torch._dynamo.reset()
        counters.clear()
        counter = pytest.importorskip("torch._dynamo.testing").CompileCounter()
        compiled = torch.compile(function, backend=counter)
        found = None
        if record == "bare":
            value = [compiled(A, B) for _ in range(4)][-1]
        elif record == "from the first call":
            found, value = contracted(lambda: compiled(A, B), calls=3)
            compiled(A, B)
        else:
            compiled(A, B)
            found, value = contracted(lambda: compiled(A, B), calls=3)
        return (counter.frame_count, sum(counters["graph_break"].values()), value.tolist()), found

    @pytest.mark.parametrize("function", [as_default, broken])
    def test_no_graph_and_no_break_is_added(self, function):
        bare, _ = self.run(function, "bare")
        for record in ("from the first call", "later"):
            recorded, found = self.run(function, record)
            assert recorded == bare
            assert calls_of(found)["ij,jk->ik"] == 3

    def test_a_full_graph_stays_whole(self):
        compiled = torch.compile(as_default, backend="eager", fullgraph=True)
        found, _ = contracted(lambda: compiled(A, B))
        assert calls_of(found) == {"ij,jk->ik": 1}


class TestLabels:
    """Inside anyone's torch.profiler the calls have their equation's name."""

    def profiled(self, work):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            found, value = contracted(work)
        return {each.key: each.count for each in profiler.key_averages()}, found, value

    def test_by_equation(self):
        names, found, _ = self.profiled(lambda: [torch.einsum("ij,jk->ik", A, B) for _ in range(3)])
        assert names["einsum::ij,jk->ik"] == names["aten::einsum"] == 3
        assert calls_of(found) == {"ij,jk->ik": 3}

    def test_a_list_of_operands_has_one(self):
        names, found, _ = self.profiled(lambda: torch.einsum("ij->ji", [A]))
        assert names["einsum::ij->ji"] == 1
        assert calls_of(found) == {"ij->ji": 1}

    def test_without_the_quick_label_with_the_public_one(self, monkeypatch):
        monkeypatch.delattr(torch._C._profiler, "_RecordFunctionFast")
        names, _, _ = self.profiled(lambda: torch.einsum("ij->ji", A))
        assert names["einsum::ij->ji"] == 1


def test_the_last_run_puts_torchs_own_function_back():
    own, code = dict(vars(torch._VF)), torch.einsum.__code__
    first, second = TorchEinsumProbe(), TorchEinsumProbe()
    assert vars(torch._VF) != own
    first.close()
    first.close()
    assert vars(torch._VF) != own
    second.close()
    assert vars(torch._VF) == own
    second.look()
    assert vars(torch._VF) == own
    assert torch.einsum.__code__ is code


LATE = """
import sys, time
from ase.build import bulk
from instrumented_calc import ProfiledCalculator, recording

class Late:
    results = {}
    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        import torch
        self.results = {"n": 1}
        torch.einsum("ij->ji", torch.ones(2, 2)), torch.as_tensor(atoms.positions)

calc = ProfiledCalculator(Late(), journal="late.jsonl", summary=False)
assert "torch" not in sys.modules
calc.calculate(bulk("Cu"))
assert "torch" in sys.modules
time.sleep(1)
for _ in range(5):
    calc.calculate(bulk("Cu"))
recording(calc).close()
"""


def test_torch_that_is_loaded_by_the_first_call_is_counted_from_then_on():
    subprocess.run([sys.executable, "-c", LATE], check=True, timeout=120)
    journal = read_journal("late.jsonl")
    (row,) = measure_contractions(journal).rows
    assert row.calls >= 5
    assert any(each.conversions[0].kind == "numpy to torch" for each in journal.conversions)
