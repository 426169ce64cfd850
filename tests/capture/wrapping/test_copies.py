"""Copies and pickles of a wrapped calculator own their calculator and belong to a run."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
from operator import methodcaller
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.combine_mm import CombineMM
from ase.calculators.counterions import AtomicCounterIon
from ase.calculators.lj import LennardJones
from ase.calculators.tip3p import TIP3P, epsilon0, sigma0
from ase.md.verlet import VelocityVerlet
from tests.capture import zoo
from tests.capture.zoo import copper, water
from tests.support import journal_threads, outcome, read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.run import process_hooks

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda calc, protocol=protocol: pickle.loads(  # noqa: S301 - ours
            pickle.dumps(calc, protocol=protocol)
        )
        for protocol in range(2, 6)
    },
}
ways = pytest.mark.parametrize("copied", WAYS.values(), ids=WAYS)
kinds = pytest.mark.parametrize(
    "make", [zoo.Spring, zoo.CopyingSpring, zoo.StatefulSpring, zoo.SlottedSpring, zoo.PureSlots]
)
MULTI_THREADED = "ignore:This process .* is multi-threaded:DeprecationWarning"


def calculate(calc):
    """Calculate once."""
    calc.calculate(copper(), ["energy"], ["positions"])


@ways
@kinds
def test_a_copy_owns_its_calculator_and_keeps_run_and_lane(copied, make):
    original = ProfiledCalculator(make())
    calculate(original)
    made = copied(original)
    made.results = {"energy": -1.0}
    assert original.results["energy"] != -1.0
    assert recording(made).run._recorder is recording(original).run._recorder
    calculate(made)
    calculate(original)
    assert (recording(original).calls, recording(made).calls) == (2, 1)
    recording(original).close()
    records = read_records()
    assert [row["lane"] for row in records.calls] == [0, 0, 0]
    assert len(records.of("lane")) == 1


@ways
def test_a_copy_of_a_closed_run_passes_calls_through(copied):
    original = ProfiledCalculator(zoo.Spring())
    calculate(original)
    recording(original).close()
    made = copied(original)
    calculate(made)
    assert made.results["energy"] == original.results["energy"]
    assert len(read_records().calls) == 1
    assert list(Path.cwd().glob("*.jsonl")) == [Path.cwd() / "run.jsonl"]


def test_a_run_of_its_own_ends_with_the_last_copy():
    original = ProfiledCalculator(zoo.Spring(), journal="own.jsonl")
    calculate(original)
    made = copy.deepcopy(original)
    del original
    gc.collect()
    calculate(made)
    assert read_records("own.jsonl").all[-1]["event"] != "run_end"
    del made
    gc.collect()
    for thread in journal_threads():
        thread.join(timeout=10)
    records = read_records("own.jsonl")
    assert records.end["reason"] == "collected"
    assert len(records.calls) == 2


@pytest.mark.parametrize("make", [zoo.AttachedSpring, zoo.CopyingSpring])
@pytest.mark.parametrize("way", ["deepcopy", "pickle 2", "pickle 5"])
def test_a_cycle_of_atoms_and_calculator_is_copied_as_one(make, way):
    atoms = copper()
    atoms.calc = calc = ProfiledCalculator(make())
    calc.owner = atoms
    calc.me = calc
    calculate(calc)
    made = WAYS[way](atoms)
    assert made.calc.owner is made
    assert made.calc.me is made.calc
    assert made.calc is not calc
    assert isinstance(made.calc, ProfiledCalculator)
    alone = WAYS[way](calc)
    assert alone.owner.calc is alone.me is alone


@pytest.mark.parametrize("way", ["deepcopy", "pickle 2", "pickle 5"])
def test_shared_objects_stay_shared(way):
    inner = zoo.Spring()
    wrapped = ProfiledCalculator(inner)
    first, second, bare = WAYS[way]([wrapped, wrapped, inner])
    assert first is second
    assert first == bare
    first.results = {"energy": 2.5}
    assert bare.results == {"energy": 2.5}
    assert not isinstance(bare, ProfiledCalculator)


def test_deepcopy_respects_what_the_memo_holds():
    inner = zoo.Spring()
    wrapped = ProfiledCalculator(inner)
    assert copy.deepcopy([wrapped], {id(wrapped): "known"}) == ["known"]
    substitute = zoo.Spring(k=3.0)
    made = copy.deepcopy(wrapped, {id(inner): substitute})
    assert made == substitute
    assert made.parameters["k"] == 3.0


@pytest.mark.parametrize("way", ["deepcopy", "pickle 2", "pickle 5"])
def test_a_failed_copy_raises_the_calculators_own_error(way):
    reported = outcome(lambda: WAYS[way](ProfiledCalculator(zoo.LockedSpring())))
    assert reported[:2] == ("raises", TypeError)
    assert reported == outcome(lambda: WAYS[way](zoo.LockedSpring()))


def test_a_local_class_gives_its_own_pickling_error():
    class Local(zoo.Spring):
        pass

    reported = outcome(lambda: pickle.dumps(ProfiledCalculator(Local())))
    assert reported[0] == "raises"
    assert reported == outcome(lambda: pickle.dumps(Local()))


def test_the_copies_of_combine_mm_stay_on_their_lanes():
    def ions(wrap):
        atoms = water() + Atoms("Na", positions=[(9.0, 9.0, 9.0)])
        atoms.set_cell((15.0, 15.0, 15.0))
        of_water = np.array([sigma0, 0, 0]), np.array([epsilon0, 0, 0])
        of_ion = np.array([2.4]), np.array([0.01])
        lanes = [wrap(TIP3P()), wrap(AtomicCounterIon(1, 0.01, 2.4))]
        atoms.calc = CombineMM(list(range(6)), 3, 1, *lanes, *of_water, *of_ion, rc=7.0)
        VelocityVerlet(atoms, 0.5 * units.fs).run(10)
        return atoms.positions.tobytes(), lanes

    positions, lanes = ions(ProfiledCalculator)
    assert positions == ions(lambda calc: calc)[0]
    recorder = recording(lanes[0]).run._recorder
    gc.collect()
    assert len(recorder.lanes) == 2
    assert process_hooks._open_runs == [recorder]
    assert len(journal_threads()) == 1
    recorder.end("closed")
    assert [lane["lane"] for lane in read_records().of("lane")] == [0, 1]
    assert list(Path.cwd().glob("*.jsonl")) == [Path.cwd() / "run.jsonl"]


@pytest.mark.parametrize("make", [zoo.Spring, zoo.SlottedSpring])
def test_a_copied_bare_calculator_is_bare(make):
    inner = make()
    wrapped = ProfiledCalculator(inner)
    made = copy.deepcopy(inner)
    assert not isinstance(made, ProfiledCalculator)
    calculate(made)
    assert recording(wrapped).calls == 0
    assert made.results["energy"] > 0
    assert inner.results == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings(MULTI_THREADED)
def test_a_forked_child_writes_a_journal_of_its_own():
    wrapped = ProfiledCalculator(zoo.Spring())
    calculate(wrapped)
    child = multiprocessing.get_context("fork").Process(target=calculate, args=(wrapped,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    calculate(wrapped)
    run_id = read_records().all[0]["run_id"]
    recording(wrapped).close()
    assert len(read_records().calls) == 2
    theirs = read_records(f"run.pid{child.pid}.jsonl")
    assert theirs.all[0]["parent_run_id"] == run_id
    assert theirs.all[0]["run_id"] != run_id
    assert [row["index"] for row in theirs.calls] == [0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings(MULTI_THREADED)
def test_a_forked_child_that_calculates_nothing_writes_nothing():
    wrapped = ProfiledCalculator(zoo.Spring())
    calculate(wrapped)
    child = multiprocessing.get_context("fork").Process(target=copper)
    child.start()
    child.join(60)
    recording(wrapped).close()
    assert child.exitcode == 0
    assert len(read_records().of("run_end")) == 1
    assert list(Path.cwd().glob("*.jsonl")) == [Path.cwd() / "run.jsonl"]


@pytest.mark.slow
def test_spawned_workers_write_one_journal_each():
    atoms = copper()
    atoms.calc = ProfiledCalculator(LennardJones(sigma=2.3, epsilon=0.1, rc=4.0))
    expected = atoms.get_potential_energy()
    frames = []
    for shift in (0.1, 0.2, 0.3):
        frames.append(copy.deepcopy(atoms))
        frames[-1].rattle(shift, seed=1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        energies = pool.map(methodcaller("get_potential_energy"), frames)
        pool.close()
        pool.join()
    recording(atoms.calc).close()
    assert expected < min(energies)
    ours = read_records()
    assert len(ours.calls) == 1
    (theirs,) = Path.cwd().glob("run.pid*.jsonl")
    theirs = read_records(theirs)
    assert len(theirs.calls) == 3
    assert theirs.end["reason"] == "exit"
    assert theirs.all[0]["parent_run_id"] == ours.all[0]["run_id"]
