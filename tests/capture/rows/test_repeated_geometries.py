"""Fingerprints tell calculations of the same geometry, in windows that cost a thousandth of the time."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from msgspec import UNSET
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, profiled, recording
from instrumented_calc.capture.rows import repeated_geometries
from instrumented_calc.capture.rows.repeated_geometries import (
    PAUSE_NS,
    SHARE,
    WINDOW,
    RepeatedGeometries,
    fingerprint,
)

US = 1000


class Squares(Calculator):
    implemented_properties = ("energy",)

    def __init__(self, stiffness=1.0):
        super().__init__()
        self.stiffness = stiffness

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": self.stiffness * float((self.atoms.positions**2).sum())}


def structure(shift=0.0):
    return Atoms("Ar3", np.array([[0, 0, 0], [0, 0, 3], [0, 3, 0]]) + shift)


def repeats(records):
    return {each["index"]: each["repeats"] for each in records.of("call") if "repeats" in each}


class Clock:
    """Advances by a fixed time at each reading."""

    def __init__(self):
        self.now = self.step = 0

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def looking():
    clock = Clock()
    return clock, RepeatedGeometries(clock), SimpleNamespace(number=0, fingerprints=0)


def note(geometries, lane, index, atoms, energy=0.0):
    entry = SimpleNamespace(index=index, extras=UNSET)
    geometries.note(lane, entry, atoms, energy)
    return None if entry.extras is UNSET else entry.extras["repeats"]


def test_each_property_of_a_geometry_matters():
    atoms = structure()
    found = {fingerprint(atoms)}
    atoms.positions[2, 1] = np.nextafter(atoms.positions[2, 1], 9)
    found.add(fingerprint(atoms))
    atoms.numbers[0] = 10
    found.add(fingerprint(atoms))
    atoms.cell[:] = np.eye(3)
    found.add(fingerprint(atoms))
    atoms.pbc = True
    found.add(fingerprint(atoms))
    atoms.set_initial_charges([1, 0, 0])
    found.add(fingerprint(atoms))
    assert len(found) == 6
    atoms.set_momenta(np.ones((3, 3)))
    assert fingerprint(atoms) in found
    assert fingerprint(atoms.copy()) in found


def test_a_calculator_that_two_structures_share_in_turn(working_directory):
    pair = [structure(), structure(0.5)]
    with profiled(Squares(), "run.jsonl", summary=False) as shared:
        for number in range(12):
            pair[number % 2].calc = shared
            pair[number % 2].get_potential_energy()
    records = read_records()
    assert repeats(records) == {number: number - 2 for number in range(2, 12)}
    assert records.counters["fingerprints"] == 12
    assert records.counters["faults"] == 0


def test_a_new_calculator_and_a_copy_for_the_same_atoms(working_directory):
    atoms, kept = structure(), ProfiledCalculator(Squares(), "run.jsonl", summary=False)
    for calc in (kept, copy.copy(kept)):
        calc.reset()
        atoms.calc = calc
        atoms.get_potential_energy()
    recording(kept).run.close()
    assert repeats(read_records()) == {1: 0}


def test_atoms_that_are_displaced_and_restored(working_directory):
    atoms = structure()
    with profiled(Squares(), "run.jsonl", summary=False) as atoms.calc:
        for number in range(9):
            atoms.positions[0, 0] = 0.01 * (number % 3)
            atoms.get_potential_energy()
    assert repeats(read_records()) == {number: number - 3 for number in range(3, 9)}


def test_models_of_a_committee_repeat_nothing(looking):
    _, geometries, _ = looking
    lanes = [SimpleNamespace(number=each, fingerprints=0) for each in range(3)]
    atoms = structure()
    assert [note(geometries, lane, lane.number, atoms, -1.0 + 0.01 * lane.number) for lane in lanes] == [
        None
    ] * 3
    assert note(geometries, lanes[1], 3, atoms, -0.99) == 1
    same = SimpleNamespace(number=3, fingerprints=0)
    assert note(geometries, same, 4, atoms, -0.98) == 2  # the model of lane 2 again


def test_a_run_without_repeats_is_looked_at_from_time_to_time(looking):
    clock, geometries, lane = looking
    for number in range(WINDOW):
        assert geometries.left
        note(geometries, lane, number, structure(0.1 * number))
    assert not geometries.left
    geometries.reopen(clock.now + PAUSE_NS - 1)
    assert not geometries.left
    geometries.reopen(clock.now + PAUSE_NS)
    assert geometries.left == WINDOW


def test_windows_follow_each_other_while_fingerprints_cost_a_thousandth(looking):
    clock, geometries, lane = looking
    for number in range(10 * WINDOW):
        clock.step, clock.now = US, clock.now + 3 * SHARE * US
        assert note(geometries, lane, number, structure(number % 2)) == (number - 2 if number > 1 else None)
    assert lane.fingerprints == 10 * WINDOW


def test_fast_calls_are_looked_at_in_a_thousandth_of_the_time(looking):
    clock, geometries, lane = looking
    calls = 100_000
    atoms = structure()
    for number in range(calls):
        clock.step, clock.now = 0, clock.now + 10 * US
        geometries.reopen(clock.now)
        if geometries.left:
            clock.step = US
            note(geometries, lane, number, atoms)
    spent = US * lane.fingerprints
    assert 0 < spent <= clock.now / SHARE + US * WINDOW


def test_an_invitation_shortens_the_pause_only_to_what_the_budget_allows(looking):
    clock, geometries, lane = looking
    clock.step = US
    for number in range(WINDOW):
        note(geometries, lane, number, structure(0.1 * number))
    clock.step = 0
    geometries.invite()
    assert not geometries.left
    clock.now += SHARE * US * WINDOW
    geometries.reopen(clock.now)
    assert geometries.left == WINDOW


def test_unusual_atoms_are_left_out(looking):
    _, geometries, lane = looking
    assert note(geometries, lane, 0, SimpleNamespace(arrays=None)) is None
    assert lane.fingerprints == 0


def test_an_ordinary_run_has_few_fingerprints(working_directory, monkeypatch):
    monkeypatch.setattr(repeated_geometries, "PAUSE_NS", 10**15)  # on a busy machine this takes seconds
    atoms = structure()
    with profiled(Squares(), "run.jsonl", summary=False) as atoms.calc:
        for _ in range(5 * WINDOW):
            atoms.positions += 0.001
            atoms.get_potential_energy()
    records = read_records()
    assert repeats(records) == {}
    assert records.counters["fingerprints"] == WINDOW
