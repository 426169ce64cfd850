"""Observers are timed by name, and neither the user's list nor the order of anything changes."""

from __future__ import annotations

import copy
import functools
import pickle
import re
import sys
import traceback
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.io.trajectory import Trajectory
from ase.md import MDLogger
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE
from ase.optimize.optimize import Dynamics
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import outcome, read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.places import observer_times
from instrumented_calc.capture.places.observed_loop import loop_owner
from instrumented_calc.capture.places.observer_names import name_of
from instrumented_calc.capture.wrapping.twin import twin


def verlet(atoms, **options):
    """Return an integrator."""
    return VelocityVerlet(atoms, 1 * units.fs, **options)


@pytest.fixture
def exact(exact_clock, make_recorder):
    """Return atoms with a recorded calculator, the clock, and how to end the run."""
    recorder = make_recorder(clock=exact_clock)
    atoms = copper()
    atoms.calc = twin(zoo.Spring(), recorder)

    def observers():
        recorder.end("closed")
        records = read_records()
        assert records.end["counters"]["faults"] == 0
        return {each["observer"]: each for each in records.of("observers")[-1]["observers"]}

    return SimpleNamespace(
        atoms=atoms, clock=exact_clock, advance=exact_clock.advance, recorder=recorder, observers=observers
    )


def module_level():
    """Do nothing."""


# -- what is measured ----------------------------------------------------------------------------------


def test_each_observer_has_its_calls_and_its_own_time(exact):
    def quick():
        exact.advance(3)

    def slow():
        exact.advance(40)

    def calculates():
        exact.advance(5)
        exact.atoms.calc.calculate(exact.atoms, ["energy"], ["positions"])

    dyn = verlet(exact.atoms)
    dyn.attach(quick)
    dyn.attach(slow, interval=np.int64(2))
    dyn.attach(slow, interval=-3)
    dyn.attach(calculates, interval=4)
    dyn.run(8)
    found = exact.observers()
    assert {name: (each["calls"], each["ns"]) for name, each in found.items()} == {
        "quick": (9, 27),
        "slow": (6, 240),
        "calculates": (3, 15),
    }
    assert found["slow"]["file"] == __file__
    assert found["slow"]["line"] == slow.__code__.co_firstlineno
    assert "package" not in found["slow"]
    assert read_records().of("observers")[-1]["drivers"] == 1
    rows = read_records().calls
    total = sum(row.get("observers_ns", 0) for row in rows) + read_records().end.get("observers_ns", 0)
    assert total == 282


def test_the_observers_of_a_driver_inside_an_observer_count_once(exact):
    others = copper()
    others.calc = exact.atoms.calc

    def inner():
        exact.advance(7)

    def relaxes():
        exact.advance(100)
        others.rattle(0.05, seed=1)
        fire = FIRE(others, logfile=None)
        fire.attach(inner)
        fire.run(fmax=0.0, steps=2)

    dyn = verlet(exact.atoms)
    dyn.attach(relaxes, interval=5)
    dyn.run(5)
    found = exact.observers()
    assert (found["relaxes"]["calls"], found["relaxes"]["ns"]) == (2, 200)
    assert found["inner"]["ns"] == 7 * found["inner"]["calls"]
    assert found["inner"]["calls"] >= 4
    assert read_records().of("observers")[-1]["drivers"] >= 2


def test_observers_inside_a_calculation_belong_to_the_calculator(exact_clock, make_recorder):
    class Relaxing(zoo.Spring):
        """Relaxes copies in each calculation."""

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            if not hasattr(self, "inner"):
                other = copper()
                other.calc = zoo.Spring()
                self.inner = Dynamics(other)
                self.inner.attach(lambda: exact_clock.advance(9))
                recorder.recording.observers.follow(self.inner)
            self.inner.call_observers()

    recorder = make_recorder(clock=exact_clock)
    atoms = copper()
    atoms.calc = twin(Relaxing(), recorder)
    verlet(atoms).run(3)
    recorder.end("closed")
    assert read_records().of("observers")[-1]["observers"] == []
    assert {row["wall_ns"] for row in read_records().calls} == {9}


def test_a_failing_observer_is_counted_with_its_time(exact):
    def fails():
        exact.advance(6)
        raise KeyError

    dyn = verlet(exact.atoms)
    dyn.attach(fails, interval=2)
    with pytest.raises(KeyError) as caught:
        dyn.run(5)
    last = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-2:]
    assert last == ["call_observers", "fails"]
    found = exact.observers()["fails"]
    assert (found["calls"], found["ns"]) == (1, 6)


def test_two_runs_with_one_driver_each_measure_its_observers(exact_clock, make_recorder):
    atoms, other = copper(), copper()
    first, second = (
        make_recorder("first.jsonl", clock=exact_clock),
        make_recorder("second.jsonl", clock=exact_clock),
    )
    atoms.calc, other.calc = twin(zoo.Spring(), first), twin(zoo.Spring(), second)

    def looks():
        other.get_potential_energy()
        exact_clock.advance(4)

    dyn = verlet(atoms)
    dyn.attach(looks)
    dyn.run(3)
    first.end("closed")
    second.end("closed")
    assert loop_owner(dyn).__dict__.get("observers") is None
    for name, calls in (("first", 4), ("second", 3)):
        (found,) = read_records(f"{name}.jsonl").of("observers")[-1]["observers"]
        assert (found["observer"], found["calls"], found["ns"]) == ("looks", calls, 4 * calls)


def test_an_integrator_with_a_loop_of_its_own_is_not_called_measured(exact):
    class Own(VelocityVerlet):
        def call_observers(self):
            for function, *_ in self.observers:
                function()

    dyn = Own(exact.atoms, 1 * units.fs)
    dyn.attach(module_level)
    dyn.run(3)
    exact.recorder.end("closed")
    assert read_records().of("observers") == []


def test_many_observers_are_summed_beyond_a_limit(exact, monkeypatch):
    monkeypatch.setattr(observer_times, "MOST_OBSERVERS", 3)
    monkeypatch.setattr(observer_times, "MOST_REMEMBERED", 4)
    dyn = verlet(exact.atoms)
    for number in range(8):
        code = f"def observer_{number}(): pass"
        space = {}
        exec(code, space)  # noqa: S102 - functions with names of their own
        dyn.attach(space[f"observer_{number}"])
    dyn.run(2)
    found = exact.observers()
    assert len(found) == 4
    assert found["*other*"]["calls"] == 15
    assert sum(each["calls"] for each in found.values()) == 24


# -- what the user sees ----------------------------------------------------------------------------------


def changing(atoms, log):
    """Run a driver whose observers change its list while it is called; return the driver."""
    dyn = verlet(atoms)

    def first():
        log.append(("first", dyn.nsteps, len(dyn.observers)))

    def once():
        log.append(("once", dyn.nsteps))
        dyn.observers[:] = [each for each in dyn.observers if each[0] is not once]

    def grows():
        log.append(("grows", dyn.nsteps))
        if dyn.nsteps == 3:
            dyn.attach(log.append, 1, ("late",))
            dyn.insert_observer(log.append, len(dyn.observers), 2, ("inserted",))
        if dyn.nsteps == 4 and len(log) < 30:
            dyn.insert_observer(log.append, 0, 1, ("first",))  # this observer is called again
        if dyn.nsteps == 5:
            dyn.observers = [dyn.observers[0]]

    dyn.attach(first, interval=2)
    dyn.attach(once, interval=-2)
    dyn.attach(grows)
    dyn.attach(log.append, 3, ("third",))
    dyn.run(8)
    return dyn


def test_order_and_changes_during_a_run_are_those_without_a_recorder():
    logs = []
    for wrap in (lambda calc: calc, ProfiledCalculator):
        atoms = copper()
        atoms.calc = wrap(EMT())
        logs.append([])
        dyn = changing(atoms, logs[-1])
    assert logs[0] == logs[1]
    assert len(logs[0]) > 20
    recording(atoms.calc).close()
    names = {each["observer"] for each in read_records().of("observers")[-1]["observers"]}
    assert names == {"first", "once", "grows", "list.append"}
    assert type(vars(dyn)["observers"]) is list


def test_the_list_stays_the_users_own():
    atoms = copper()
    atoms.calc = ProfiledCalculator(EMT())
    dyn = verlet(atoms)
    before, seen = dyn.observers, []
    entry = (module_level, 1, (), {})
    before.append(entry)
    dyn.attach(lambda: seen.append((dyn.observers is before, dyn.observers[0] is entry, type(dyn.observers))))
    dyn.attach(lambda: seen.append(vars(dyn)["observers"] is before))
    dyn.run(3)
    assert set(seen) == {(True, True, list), True}
    assert dyn.observers is before
    assert "call_observers" not in vars(dyn)
    assert not hasattr(type(dyn), "observers")
    assert outcome(lambda: type(dyn).observers)[0] == outcome(lambda: VelocityVerlet.nothing)[0]
    assert "observers" in vars(copy.copy(dyn))
    twin_of = copy.copy(dyn)
    assert twin_of.observers is before
    del twin_of.observers
    assert not hasattr(twin_of, "observers")
    with pytest.raises(AttributeError, match="'VelocityVerlet' object has no attribute 'observers'"):
        del twin_of.observers
    recording(atoms.calc).close()
    assert "observers" not in vars(loop_owner(dyn))


def test_drivers_are_pickled_as_without_a_recorder():
    atoms = copper()
    atoms.calc = ProfiledCalculator(zoo.Spring())
    dyn = BFGS(atoms, logfile=None)
    dyn.attach(module_level)
    dyn.run(fmax=0.0, steps=2)
    try:
        pickle.dumps(BFGS(copper(), logfile=None))
    except TypeError as refused:  # by ASE 3.26, whose drivers hold an open file
        with pytest.raises(TypeError, match=re.escape(str(refused))):
            pickle.dumps(dyn)
        return
    again = pickle.loads(pickle.dumps(dyn))  # noqa: S301 - our own
    assert again.observers == dyn.observers
    assert set(vars(again)) == set(vars(dyn))
    assert b"instrumented_calc.capture.places" not in pickle.dumps(vars(dyn)["observers"])


@pytest.mark.parametrize(
    "observers",
    [None, [(module_level, 1)], [(module_level, "x", (), {})], [7], ((module_level, 1, (), {}),), "ab"],
    ids=["none", "short", "text", "number", "tuple", "string"],
)
def test_a_strange_list_has_the_consequences_that_it_has_without_a_recorder(observers):
    found = []
    for wrap in (lambda calc: calc, ProfiledCalculator):
        atoms = copper()
        atoms.calc = wrap(EMT())
        dyn = verlet(atoms)
        dyn.run(1)
        dyn.observers = observers
        found.append(outcome(lambda dyn=dyn: dyn.run(2)))
    assert found[0] == found[1]


def test_an_observer_lives_no_longer_than_the_user_keeps_it():
    class Writer:
        def __call__(self):
            pass

        def write(self):
            pass

    atoms = copper()
    atoms.calc = ProfiledCalculator(EMT())
    dyn = verlet(atoms)
    writers = [Writer(), Writer()]
    dyn.attach(writers[0])
    dyn.attach(writers[1].write)
    dyn.run(2)
    references = [weakref.ref(each) for each in writers]
    dyn.observers.clear()
    writers.clear()
    assert [each() for each in references] == [None, None]
    others = [Writer() for _ in range(50)]  # one of them has the identity of one that is gone
    for each in others:
        dyn.attach(each)
    dyn.attach(module_level)
    dyn.run(1)
    driver = weakref.ref(dyn)
    del dyn
    assert driver() is None
    recording(atoms.calc).close()
    found = {each["observer"]: each["calls"] for each in read_records().of("observers")[-1]["observers"]}
    assert found == {"Writer": 3 + 50, "Writer.write": 3, "module_level": 1}


def test_the_loop_is_as_before_while_another_run_goes_on():
    first, second = copper(), copper()
    first.calc, second.calc = ProfiledCalculator(EMT(), "one.jsonl"), ProfiledCalculator(EMT(), "two.jsonl")
    dyn = verlet(first)
    dyn.attach(module_level)
    dyn.run(1)
    other = verlet(second)
    other.attach(module_level)
    other.run(1)
    recording(first.calc).close()
    dyn.run(1)
    other.run(2)
    recording(second.calc).close()
    for name, calls in (("one", 2), ("two", 4)):
        (found,) = read_records(f"{name}.jsonl").of("observers")[-1]["observers"]
        assert found["calls"] == calls


# -- names -----------------------------------------------------------------------------------------------


def test_loggers_and_writers_have_the_names_that_users_know(tmp_path):
    atoms = copper()
    atoms.calc = ProfiledCalculator(EMT())
    dyn = verlet(atoms, trajectory=str(tmp_path / "md.traj"), logfile=str(tmp_path / "md.log"))
    with Trajectory(tmp_path / "own.traj", "w", atoms) as own:
        dyn.attach(own, interval=2)
        dyn.run(2)
    recording(atoms.calc).close()
    found = {each["observer"]: each for each in read_records().of("observers")[-1]["observers"]}
    assert {name: (each["calls"], each["package"]) for name, each in found.items()} == {
        "Trajectory('md.traj')": (3, "ase"),
        "Trajectory('own.traj')": (2, "ase"),
        "MDLogger": (3, "ase"),
    }


class Recorder:
    """An observer of the user's own, whose attributes must not be read."""

    def __call__(self):
        """Do nothing."""

    def dump(self):
        """Do nothing."""

    @property
    def filename(self):
        """Return nothing."""
        raise AssertionError

    def write(self):
        """Do nothing."""

    @classmethod
    def shared(cls):
        """Do nothing."""


def nested():
    """Return a function of a function."""

    def inner():
        pass

    return inner


@pytest.mark.parametrize(
    ("function", "name", "package"),
    [
        (module_level, "module_level", ""),
        (functools.partial(functools.partial(module_level)), "module_level", ""),
        (nested(), "inner", ""),
        (lambda: None, "<lambda>", ""),
        (Recorder(), "Recorder", ""),
        (Recorder().dump, "Recorder.dump", ""),
        (Recorder().write, "Recorder.write", ""),
        (Recorder.shared, "Recorder.shared", ""),
        ([].append, "list.append", "builtins"),
        (print, "print", "builtins"),
        (np.array, "array", "numpy"),
        (Dynamics.step, "Dynamics.step", "ase"),
        (MDLogger, "MDLogger", ""),
    ],
)
def test_a_function_is_named(function, name, package):
    found = name_of(function)
    assert (found.name, found.package) == (name, package)
    assert bool(found.line) == (found.file == __file__)


def test_the_name_of_a_function_is_valid_text_of_limited_length():
    def odd():
        pass

    odd.__qualname__ = "x\ud800" * 500
    assert len(name_of(odd).name.encode()) <= 400
    assert sys.getsizeof(name_of(odd)) < 200
