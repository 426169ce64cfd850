"""What is counted of every call: non-finite and vanishing forces, repeated energies, changed velocities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from tests.support import read_records

from instrumented_calc import profiled
from instrumented_calc.capture.rows import quick_check, row_maker, sampler


class Chosen(Calculator):
    """Gives the results of a function of the call's number."""

    implemented_properties = ("energy", "forces")

    def __init__(self, results):
        super().__init__()
        self.chosen = results
        self.number = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = self.chosen(self.number)
        self.number += 1


def moved(results, calls=40):
    """Record calls for atoms that move before each."""
    atoms = Atoms("Ar3", [[0, 0, 0], [0, 0, 3], [0, 3, 0]])
    with profiled(Chosen(results), "run.jsonl", summary=False) as atoms.calc, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for _ in range(calls):
            atoms.positions += 0.01
            atoms.get_forces()
    records = read_records()
    assert records.counters["faults"] == 0
    return records


@pytest.fixture
def all_checked(monkeypatch):
    """Check also calls that are faster than any real model."""
    monkeypatch.setattr(quick_check, "CHECK_EVERY_NS", 0)


@pytest.mark.usefixtures("all_checked")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_each_call_with_forces_that_are_not_finite_is_counted(dtype, working_directory):
    def results(number):
        forces = np.full((3, 3), 1.0 + number, dtype)
        if number in {11, 12, 25}:
            forces[1, 2] = np.nan if number == 11 else np.inf
        return {"energy": float(number), "forces": forces}

    records = moved(results)
    assert records.counters["not_finite"] == 3
    broken = [each for each in records.of("state") if each.get("non_finite")]
    assert {each["index"] for each in broken} == {11, 12, 25}
    assert all(each["non_finite"] == ["forces"] for each in broken)
    assert all(each["non_finite_atoms"] == [1] for each in broken)


@pytest.mark.usefixtures("all_checked")
def test_calls_without_any_force_are_counted(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": np.zeros((3, 3))})
    assert records.counters["zero_forces"] == 40
    assert records.counters["unchecked"] == 0


@pytest.mark.usefixtures("all_checked")
def test_the_state_is_read_when_forces_vanish(working_directory):
    def results(number):
        return {"energy": float(number), "forces": np.full((3, 3), float(not 10 <= number < 37))}

    records = moved(results)
    series = {each["index"]: each["zero_forces"] for each in records.of("state") if "zero_forces" in each}
    assert series[10] == 1  # the call with which the series begins
    assert series[17] == 8
    assert all(streak == index - 9 for index, streak in series.items())
    assert records.counters["zero_forces"] == 27


@pytest.mark.usefixtures("all_checked")
def test_of_many_series_without_forces_few_are_read(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": np.full((3, 3), float(number % 2))})
    series = [each["index"] for each in records.of("state") if "zero_forces" in each]
    assert {0, 2, 6, 14, 30} <= set(series)  # the first, second, fourth, eighth and sixteenth
    assert records.counters["zero_forces"] == 20


@pytest.mark.usefixtures("all_checked")
def test_the_state_after_a_streak_does_not_belong_to_it(working_directory, monkeypatch):
    monkeypatch.setattr(row_maker, "LOOK_EVERY_NS", 0)
    for name in ("SAMPLE_EVERY_NS", "SAMPLE_SHARE", "STATE_EVERY_NS", "RAREST_STATE_NS", "STATE_SHARE"):
        monkeypatch.setattr(sampler, name, 0)  # the state is read at every call

    def results(number):
        return {"energy": float(number), "forces": np.full((3, 3), float(not 10 <= number < 14))}

    states = moved(results).of("state")
    streaks = {each["index"]: each.get("zero_forces") for each in states if each["index"] in range(9, 16)}
    assert streaks == {9: None, 10: 1, 11: 2, 12: 3, 13: 4, 14: None, 15: None}


def test_calls_that_repeat_an_energy_are_counted(working_directory):
    records = moved(lambda number: {"energy": float(min(number, 10)), "forces": np.ones((3, 3))})
    assert records.counters["same_energy"] == 29
    streaks = [each["same_energy"] for each in records.of("state") if "same_energy" in each]
    assert max(streaks) == 30


def test_forces_of_the_fastest_calls_are_checked_in_turn(working_directory, monkeypatch):
    monkeypatch.setattr(quick_check, "CHECK_EVERY_NS", 10**15)

    def results(number):
        return {"energy": float(number), "forces": np.full((3, 3), np.nan if number == 39 else 1.0)}

    records = moved(results)
    assert records.counters["unchecked"] > 0
    # The last call is checked at the end of the run.
    assert records.counters["not_finite"] == 1
    assert {each["index"] for each in records.of("state") if each.get("non_finite")} == {39}


def test_once_a_result_is_not_finite_also_the_fastest_calls_are_all_checked(working_directory, monkeypatch):
    monkeypatch.setattr(quick_check, "CHECK_EVERY_NS", 10**15)

    def results(number):
        return {"energy": float(number), "forces": np.full((3, 3), np.nan if number >= 10 else 1.0)}

    records = moved(results)
    # The state is read at call 16, where the number of calls has doubled.
    first = min(each["index"] for each in records.of("state") if each.get("non_finite"))
    assert 10 <= first <= 16
    assert records.counters["not_finite"] == 40 - first


def test_a_driver_after_velocity_verlet_is_not_taken_for_it(working_directory):
    atoms = Atoms("Ar3", [[0.1, 0, 0], [0, 0, 3], [0, 3, 0]])
    atoms.set_momenta(np.ones((3, 3)))
    with profiled(Spring(), "run.jsonl", summary=False) as atoms.calc:
        VelocityVerlet(atoms, units.fs).run(10)
        BFGS(atoms, logfile=None).run(fmax=1e-9, steps=5)
        thermostat = {"temperature_K": 300, "friction": 0.1, "fixcm": False}
        Langevin(atoms, units.fs, rng=np.random.default_rng(1), **thermostat).run(20)
    records = read_records()
    assert records.counters["faults"] == 0
    assert records.counters["velocity_changes"] == 0


def test_forces_that_are_not_on_the_host_are_counted_as_unchecked(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": [[1.0, 0.0, 0.0]] * 3})
    assert records.counters["unchecked"] > 0


@pytest.mark.usefixtures("all_checked")
def test_the_state_is_read_whenever_forces_have_doubled(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": np.full((3, 3), 3.0**number)}, 20)
    indices = {each["index"] for each in records.of("state")}
    assert indices >= set(range(1, 20))


class Spring(Calculator):
    """Pulls every atom to the origin."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float((self.atoms.positions**2).sum()), "forces": -2 * self.atoms.positions}


@pytest.mark.parametrize("scaled", [0, 3])
def test_velocities_that_something_else_changes_are_counted(scaled, working_directory):
    atoms = Atoms("Ar3", [[0.1, 0, 0], [0, 0, 3], [0, 3, 0]])
    atoms.set_momenta(np.ones((3, 3)))
    with profiled(Spring(), "run.jsonl", summary=False) as atoms.calc:
        dynamics = VelocityVerlet(atoms, units.fs)
        for each in range(10):
            dynamics.run(10)
            atoms.get_potential_energy()
            if each < scaled:
                atoms.set_momenta(0.9 * atoms.get_momenta())
    assert read_records().counters["velocity_changes"] == scaled


class SinglePrecisionSpring(Spring):
    """Returns its forces as most models do."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"].astype(np.float32)


def test_forces_in_single_precision_do_not_look_like_changed_velocities(working_directory):
    atoms = Atoms("Ar3", [[0.137, 0, 0], [0, 0, 3], [0, 3, 0]])  # at rest: all of its momentum is kicks
    with profiled(SinglePrecisionSpring(), "run.jsonl", summary=False) as atoms.calc:
        VelocityVerlet(atoms, units.fs).run(50)
    assert read_records().counters["velocity_changes"] == 0
