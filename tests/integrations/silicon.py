"""Dynamics of silicon, for the integrations of models that know it."""

from __future__ import annotations

from typing import Any

from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from tests.support import read_records

from instrumented_calc import recording


def silicon(repeat: int = 1) -> Atoms:
    """Return displaced silicon: 8 atoms, times the cube of `repeat`."""
    atoms = bulk("Si", cubic=True) * repeat
    atoms.rattle(0.05, seed=1)
    return atoms


def simulated(calc: Any, steps: int = 10, repeat: int = 1) -> Atoms:
    """Return silicon after some steps of MD with a calculator."""
    atoms = silicon(repeat)
    atoms.calc = calc
    VelocityVerlet(atoms, 1 * units.fs).run(steps)
    return atoms


def rows_of(calc: Any) -> list[dict[str, Any]]:
    """End a calculator's recording and return its rows."""
    recording(calc).close()
    return read_records().calls
