"""The work of the forces between two successive geometries, and when they are not compared."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from msgspec import UNSET
from tests.support import read_records

from instrumented_calc import profiled
from instrumented_calc.capture.probes.force_work import ForceWork
from instrumented_calc.journal.records import State


def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = EMT()
    return atoms


def compared(atoms, change, *, scale=1.0):
    """Return the state after a change of the atoms, and the results before and after it."""
    work, state = ForceWork(), State(index=1)
    results = []
    for _ in range(2):
        forces = scale * atoms.get_forces()
        results.append({"energy": atoms.get_potential_energy(force_consistent=True), "forces": forces})
        if not work.begun:
            work.begin(results[0], atoms)
            change(atoms)
    assert work.end(state, results[1], atoms) is (state.work_ev is not UNSET)
    assert not work.begun
    return state, results


def shift_one_atom(atoms):
    atoms.positions[0] += [0.01, 0.02, 0.0]


def test_the_work_is_minus_the_change_of_the_energy():
    state, (before, after) = compared(copper(), shift_one_atom)
    assert state.energy_change_ev == after["energy"] - before["energy"]
    assert state.work_ev == pytest.approx(-state.energy_change_ev, rel=0.01)


def test_forces_in_another_unit_do_another_work():
    state, _ = compared(copper(), shift_one_atom, scale=23.06)
    assert state.work_ev == pytest.approx(-23.06 * state.energy_change_ev, rel=0.01)


def strain(atoms):
    atoms.set_cell(1.001 * atoms.cell, scale_atoms=True)


def shift_far(atoms):
    atoms.positions[0] += 0.1


def replace_an_atom(atoms):
    atoms.numbers[0] = 47


@pytest.mark.parametrize("change", [strain, shift_far, replace_an_atom, lambda _: None])
def test_other_cells_atoms_or_distant_positions_are_not_compared(change):
    state, _ = compared(copper(), change)
    assert state.work_ev is UNSET
    assert state.energy_change_ev is UNSET


def test_a_wall_is_not_compared():
    work, state = ForceWork(), State(index=1)
    atoms = bulk("Cu", cubic=True)
    work.begin({"energy": 0.0, "forces": np.zeros((4, 3))}, atoms)
    atoms.positions[0, 0] += 0.01
    forces = np.zeros((4, 3))
    forces[0, 0] = 1e6
    assert not work.end(state, {"energy": 5e3, "forces": forces}, atoms)


@pytest.mark.parametrize(
    "results",
    [{}, {"energy": 1.0}, {"energy": 1.0, "forces": np.zeros((3, 3))}, {"energy": "1", "forces": 2}],
)
def test_results_without_an_energy_and_forces_begin_nothing(results):
    work = ForceWork()
    work.begin(results, copper())
    assert not work.begun


def test_a_run_compares_at_the_call_after_each_doubling(tmp_path):
    atoms = copper()
    with profiled(EMT(), tmp_path / "run.jsonl", summary=False) as atoms.calc:
        for _ in range(40):
            atoms.get_forces()
            atoms.positions[0, 0] += 1e-3
    states = read_records(tmp_path / "run.jsonl").of("state")
    assert [each["index"] for each in states if "work_ev" in each] == [1, 2, 3, 5, 9, 17, 33]
