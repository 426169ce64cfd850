"""What is counted of every call: non-finite and vanishing forces, repeated energies, changed velocities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from tests.support import read_records

from instrumented_calc import profiled


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


def test_calls_without_any_force_are_counted(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": np.zeros((3, 3))})
    assert records.counters["zero_forces"] == 40
    assert records.counters["unchecked"] == 0


def test_the_state_is_read_when_forces_vanish(working_directory):
    def results(number):
        return {"energy": float(number), "forces": np.full((3, 3), float(not 10 <= number < 37))}

    records = moved(results)
    series = {each["index"]: each["zero_forces"] for each in records.of("state") if "zero_forces" in each}
    assert series[10] == 1  # the call with which the series begins
    assert series[17] == 8
    assert all(streak == index - 9 for index, streak in series.items())
    assert records.counters["zero_forces"] == 27


def test_of_many_series_without_forces_few_are_read(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": np.full((3, 3), float(number % 2))})
    series = [each["index"] for each in records.of("state") if "zero_forces" in each]
    assert {0, 2, 6, 14, 30} <= set(series)  # the first, second, fourth, eighth and sixteenth
    assert records.counters["zero_forces"] == 20


def test_calls_that_repeat_an_energy_are_counted(working_directory):
    records = moved(lambda number: {"energy": float(min(number, 10)), "forces": np.ones((3, 3))})
    assert records.counters["same_energy"] == 29
    streaks = [each["same_energy"] for each in records.of("state") if "same_energy" in each]
    assert max(streaks) == 30


def test_forces_that_are_not_on_the_host_are_counted_as_unchecked(working_directory):
    records = moved(lambda number: {"energy": float(number), "forces": [[1.0, 0.0, 0.0]] * 3})
    assert records.counters["unchecked"] > 0


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
