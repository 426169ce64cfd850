"""Each remedy alone: to which runs it applies, and that it changes the time but not the values."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import NeighborList, neighbor_list, primitive_neighbor_list

from instrumented_calc.experiments.trial.remedies import catalogue, neighbours
from instrumented_calc.experiments.trial.remedies.catalogue import remedies_for
from instrumented_calc.experiments.trial.remedies.contractions import replace_einsum
from instrumented_calc.experiments.trial.remedies.processors import processors_of
from instrumented_calc.integration import RunFacts

NAMES = {
    "tracemalloc-off": RunFacts(aids=frozenset({"tracemalloc"})),
    "anomaly-mode-off": RunFacts(aids=frozenset({"torch.autograd.set_detect_anomaly"})),
    "debug-logging-off": RunFacts(debug_logging=True),
    "gc-freeze": RunFacts(tracked_objects=1_000_000),
    "observers-rarely": RunFacts(modules=frozenset({"ase"}), observers_share=0.5),
    "einsum-rewritten": RunFacts(contractions=(("ij,jk->ik", ((3, 4), (4, 5))),)),
    "wider-skin": RunFacts(list_share=0.5, skin_rebuilt=0.2),
    "threads-1": RunFacts(threads=8, processors=2, physical_cores=2),
    "threads-2": RunFacts(threads=8, processors=2, physical_cores=1),
    "blas-threads-1": RunFacts(threads=2, blas_threads=2, other_threads=2),
    "openmp-threads-1": RunFacts(threads=2, blas_threads=2, other_threads=2),
    "float32": RunFacts(modules=frozenset({"torch"}), torch_model="Net", dtype="torch.float64"),
    "inference-mode": RunFacts(modules=frozenset({"torch"})),
    "flush-denormals": RunFacts(modules=frozenset({"torch"}), device="cpu"),
    "compile-off": RunFacts(modules=frozenset({"torch"}), compiled=True),
    "matmul-precision-high": RunFacts(modules=frozenset({"torch"}), device="cuda:0"),
    "on-gpu": RunFacts(modules=frozenset({"torch"}), torch_model="Net", device="cpu", gpus=1),
}


def names(facts: RunFacts) -> set[str]:
    return {each.name for each in remedies_for(facts)}


@pytest.mark.parametrize("name", NAMES)
def test_a_remedy_applies_where_its_cause_is_and_says_how_to_keep_it(name):
    found = {each.name: each for each in remedies_for(NAMES[name])}
    assert found[name].keep
    assert name not in names(RunFacts())


def test_nothing_is_offered_that_is_so_already():
    assert not any(name.startswith("threads-") for name in names(RunFacts(threads=1, processors=1)))
    assert not any("-threads-" in name for name in names(RunFacts(threads=2, blas_threads=2)))
    assert "inference-mode" not in names(
        RunFacts(modules=frozenset({"torch"}), components=frozenset({"backward"}))
    )
    assert "einsum-rewritten" not in names(RunFacts(contractions=(("ii->i", ((3, 3),)),)))


def test_nothing_is_offered_for_what_takes_no_time():
    assert "gc-freeze" not in names(RunFacts(tracked_objects=1_000_000, collected_share=0.001))
    assert not any(name.endswith("-neighbours") for name in names(RunFacts(list_share=0.5)))
    idle = RunFacts(threads=2, processors=4, physical_cores=4, pool_share=0.02)
    assert {name for name in names(idle) if name.startswith("threads-")} == {"threads-4"}


def test_lists_of_other_libraries_are_offered_where_ase_builds_such_lists(monkeypatch):
    facts = RunFacts(list_share=0.5, ase_lists=100)
    monkeypatch.setattr(neighbours, "find_spec", lambda name: None if name == "vesin" else name)
    found = {each.name: each.obstacle for each in remedies_for(facts)}
    assert found["matscipy-neighbours"] == ""
    assert found["vesin-neighbours"] == "vesin is not installed: pip install vesin"


def test_a_broken_integration_is_listed_with_its_error(monkeypatch):
    worn = EntryPoint("worn", "worn_out_library", "instrumented_calc.integrations")
    monkeypatch.setattr(catalogue, "installed", lambda: (worn,))
    (listed,) = remedies_for(RunFacts())
    assert listed.name == "remedies-of-worn"
    assert "worn_out_library is broken: ModuleNotFoundError: No module named" in listed.obstacle


def test_a_machine_without_a_gpu_is_the_obstacle_of_using_one():
    (remedy,) = remedies_for(RunFacts(torch_model="Net", device="cpu", gpus=0))
    assert remedy.obstacle == "torch finds no GPU on this machine"
    assert "on-gpu" not in names(RunFacts(torch_model="Net", device="cuda:0", gpus=1))


def test_a_model_of_another_library_gets_no_settings_of_torch():
    """A library in numpy may have loaded torch, as AniSOAP's do."""
    assert not names(RunFacts(modules=frozenset({"torch"}), dtype="float64", device="cpu", gpus=1))


@pytest.mark.parametrize("library", ["matscipy", "vesin"])
@pytest.mark.skipif(
    any(find_spec(each) is None for each in ("matscipy", "vesin")), reason="needs the extra 'neighbours'"
)
def test_the_lists_of_other_libraries_have_the_same_pairs(library):
    module = SimpleNamespace(primitive_neighbor_list=primitive_neighbor_list)
    neighbours.replace_list(neighbours.BUILDERS[library], module)
    atoms = bulk("Si").repeat(2)
    atoms.rattle(0.1, seed=1)
    i, j, d, shifts = module.primitive_neighbor_list(
        "ijdS", atoms.pbc, atoms.get_cell(complete=True), atoms.positions, 4.0, numbers=atoms.numbers
    )
    expected = neighbor_list("ijS", atoms, 4.0)
    ours, theirs = (set(zip(a, b, map(tuple, c), strict=True)) for a, b, c in ((i, j, shifts), expected))
    assert ours == theirs
    assert d.max() < 4.0


def test_a_list_with_a_wider_skin_is_built_less_often_and_has_all_pairs():
    module = SimpleNamespace(NeighborList=type("Own", (NeighborList,), {}))
    neighbours.widen_skin(module)
    atoms = bulk("Si").repeat(2)
    lists = [made([1.5] * len(atoms), bothways=True) for made in (NeighborList, module.NeighborList)]
    assert [each.update(atoms) for each in lists] == [True, True]
    by_default, wider = (set(each.get_neighbors(0)[0]) for each in lists)
    assert by_default <= wider
    atoms.positions[0] += 0.25
    assert [each.update(atoms) for each in lists] == [True, False]


def test_lists_with_a_cutoff_by_species_are_left_to_ase():
    module = SimpleNamespace(primitive_neighbor_list=primitive_neighbor_list)
    neighbours.replace_list(lambda *_: pytest.fail("another library was asked"), module)
    atoms = bulk("Si")
    arguments = ("i", atoms.pbc, atoms.get_cell(complete=True), atoms.positions)
    cutoff = {("Si", "Si"): 3.0}
    found = module.primitive_neighbor_list(*arguments, cutoff, numbers=atoms.numbers)
    assert len(found) == len(neighbor_list("i", atoms, cutoff))


def test_rewritten_contractions_are_equal_and_others_untouched():
    asked = []

    def real(*operands, **kwargs):
        asked.append(operands[0])
        return np.einsum(*operands, **kwargs)

    module = SimpleNamespace(einsum=real)
    replace_einsum({"ij,jk->ik", "i,i"}, module)
    one, other = np.random.default_rng(0).random((2, 4, 4))
    assert np.allclose(module.einsum("ij,jk->ik", one, other), one @ other)
    assert asked == []
    assert module.einsum("ij->ji", one).tolist() == one.T.tolist()
    assert np.allclose(module.einsum("ij,jk->ik", one.tolist(), other), one @ other)
    result = np.empty((4, 4))
    module.einsum("ij,jk->ik", one, other, out=result)
    assert np.allclose(result, one @ other)
    assert len(asked) == 3


def test_an_equation_written_with_blanks_is_rewritten():
    module = SimpleNamespace(einsum=lambda *_: pytest.fail("not rewritten"))
    replace_einsum({"ij,jk->ik"}, module)
    one, other = np.eye(3), np.arange(12.0).reshape(3, 4)
    assert np.array_equal(module.einsum("ij, jk -> ik", one, other), other)


def test_a_rewriting_that_is_an_einsum_itself_ends():
    module = SimpleNamespace(einsum=np.einsum)
    equation = "abij,cdij,ijk,kl->abcdl"
    shapes = (2, 2, 3, 3), (2, 2, 3, 3), (3, 3, 4), (4, 5)
    operands = [np.random.default_rng(0).random(shape) for shape in shapes]
    replace_einsum({equation}, module)
    assert np.allclose(module.einsum(equation, *operands), np.einsum(equation, *operands))


@pytest.mark.parametrize(
    ("driver", "arguments"),
    [("ase.md.verlet.VelocityVerlet", ", 1.0"), ("ase.optimize.BFGS", ", logfile=None")],
)
def test_observers_are_called_ten_times_less_often(driver, arguments):
    module, _, name = driver.rpartition(".")
    code = f"""
from instrumented_calc.experiments.trial.import_hooks import when_imported
from instrumented_calc.experiments.trial.remedies.observers import attach_rarely
when_imported("ase.optimize.optimize", attach_rarely)
from ase.build import bulk
from ase.calculators.emt import EMT
from {module} import {name}
atoms = bulk("Cu", cubic=True)
atoms.rattle(0.3, seed=1)
atoms.calc = EMT()
dynamics = {name}(atoms{arguments})
seen, once = [], []
dynamics.attach(lambda: seen.append(dynamics.nsteps), interval=2)
dynamics.attach(lambda: once.append(dynamics.nsteps), -7)
for _ in dynamics.irun(steps=40, **({{"fmax": 1e-9}} if {name!r} == "BFGS" else {{}})):
    pass
assert seen == [0, 20, 40], seen
assert once == [7], once
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_logging_of_debug_messages_ends_at_the_first_call():
    remedy = next(each for each in remedies_for(NAMES["debug-logging-off"]))
    try:
        remedy.at_first_call(None)
        assert not logging.getLogger("some.library").isEnabledFor(logging.DEBUG)
        assert logging.getLogger("some.library").isEnabledFor(logging.WARNING)
    finally:
        logging.disable(logging.NOTSET)


EFFECTS = {
    "tracemalloc-off": ("tracemalloc.start()", "not tracemalloc.is_tracing()"),
    "gc-freeze": ("", "gc.get_freeze_count() > 1000"),
    "threads-1": ("", "{p['num_threads'] for p in threadpoolctl.threadpool_info()} == {1}"),
    "blas-threads-1": (
        "threadpoolctl.threadpool_limits(2)",
        "all(p['num_threads'] == 2 - (p['user_api'] == 'blas') for p in threadpoolctl.threadpool_info())",
    ),
    "openmp-threads-1": (
        "threadpoolctl.threadpool_limits(2)",
        "all(p['num_threads'] == 2 - (p['user_api'] == 'openmp') for p in threadpoolctl.threadpool_info())",
    ),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_a_remedy_takes_effect_at_the_first_call_whatever_the_program_set(name):
    before, effect = EFFECTS[name]
    code = f"""
import gc, threadpoolctl, tracemalloc
import numpy
from instrumented_calc.experiments.trial.remedies.catalogue import remedies_for
from instrumented_calc.integration import RunFacts
facts = RunFacts(aids=frozenset(["tracemalloc"]), tracked_objects=10**6, threads=8, processors=1,
    blas_threads=8, other_threads=8)
remedy = next(each for each in remedies_for(facts) if each.name == {name!r})
{before}
remedy.at_first_call(None)
assert {effect}
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_processors_are_read_as_the_kernel_lists_them():
    assert processors_of("0-3,8,10-11\n") == {0, 1, 2, 3, 8, 10, 11}
    assert processors_of("\n") == set()
