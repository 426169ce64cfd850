"""Results that are wrong: no numbers, or neighbours that were lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import Springs, lattice, simulate

if TYPE_CHECKING:
    import random

import instrumented_calc.integration as integrations


class Overflowing(Springs):
    """Its energy is not a number from some call on."""

    broken_from = 10**9

    def answer(self, energy: float, forces: np.ndarray, properties: Any) -> dict[str, Any]:
        results = super().answer(energy, forces, properties)
        if self.number > self.broken_from:
            results["energy"] = float("nan")
        return results


@case("energy-is-no-number", "non-finite")
def energy_is_no_number(draw: random.Random, planted: bool) -> None:
    """The energy becomes NaN in the course of the run."""
    calculator = Overflowing(0.005)
    when = draw.randint(50, 250)
    if planted:
        calculator.broken_from = when
    simulate(lattice(draw), calculator, 300)


class Drifting(Springs):
    """A gas almost without forces, whose neighbours are searched in the cell as it is, or after wrapping."""

    wraps = True
    edges = 0

    def answer(self, energy: float, forces: np.ndarray, properties: Any) -> dict[str, Any]:
        lengths = self.atoms.cell.lengths()
        away = self.atoms.positions[:, None] - self.atoms.positions[None]
        if self.wraps:
            away -= lengths * np.round(away / lengths)
        else:
            # As a list does that searches only one cell around each atom.
            away -= lengths * np.clip(np.round(away / lengths), -1, 1)
        near = np.linalg.norm(away, axis=2) < 0.45 * lengths[0]
        self.edges = int(near.sum()) - len(near)
        # hardly any forces: with none at all the simulation would not be sound
        waves = self.atoms.positions
        return {
            "energy": float(1e-3 * np.cos(waves).sum()),
            "forces": 1e-3 * np.sin(waves),
            "stress": np.zeros(6),
        }


def count_edges_of(kind: type) -> None:
    """Have the edges of a calculator counted, as an integration does."""
    integration = SimpleNamespace(
        knows=lambda calc: isinstance(calc, kind),
        describe=lambda _: {"name": "drifting", "device": "cpu", "dtype": "float64"},
        parts=lambda _: [],
        counts=lambda calc: {"edges": calc.edges},
    )
    entry_point = SimpleNamespace(name="bench", value="bench", load=lambda: integration)
    integrations.installed = lambda: (entry_point,)


@case("atoms-leave-the-cell", "lost-edges")
def atoms_leave_the_cell(draw: random.Random, planted: bool) -> None:
    """Atoms fly out of the cell, and their neighbours are no longer found there."""
    side, number = draw.uniform(9, 11), draw.randint(60, 80)
    rng = np.random.default_rng(draw.randrange(2**32))
    atoms = Atoms(f"Ar{number}", positions=rng.uniform(0, side, (number, 3)), cell=[side] * 3, pbc=True)
    # In 1200 steps of 2 fs the fast ones go three cells far.
    atoms.set_velocities(rng.normal(0, 0.3, (number, 3)))
    calculator = Drifting(0.004)
    calculator.wraps = not planted
    count_edges_of(Drifting)
    simulate(atoms, calculator, 1200)
