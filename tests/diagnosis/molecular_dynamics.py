"""The simulation that the cases have in common: atoms on springs, whose calculator takes its time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet

from instrumented_calc import profiled

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ase.md.md import MolecularDynamics

STIFFNESS = 0.05  # eV/A^2: a period of some hundred steps


class Springs(Calculator):
    """Holds every atom by a spring where it was first seen.

    Args:
        seconds: Duration of a call, spent sleeping.
        work: Additional work of each call; takes its number.
    """

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, seconds: float, work: Callable[[int], object] | None = None) -> None:
        super().__init__()
        self.seconds = seconds
        self.work = work
        self.number = 0
        self.home: np.ndarray | None = None

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if self.home is None:
            self.home = self.atoms.positions.copy()
        if self.work is not None:
            self.work(self.number)
        self.number += 1
        if self.seconds:
            time.sleep(self.seconds)
        away = self.atoms.positions - self.home
        energy = float(STIFFNESS / 2 * (away**2).sum())
        self.results.update(self.answer(energy, -STIFFNESS * away, properties))

    def answer(self, energy: float, forces: np.ndarray, properties: Any) -> dict[str, Any]:
        """Return the results, all of them whatever was asked."""
        return {"energy": energy, "forces": forces, "stress": np.zeros(6)}


def lattice(draw: random.Random, number: int | None = None) -> Atoms:
    """Return some argon that moves a little."""
    number = draw.randint(8, 40) if number is None else number
    side = int(np.ceil(number ** (1 / 3)))
    places = np.array([(x, y, z) for x in range(side) for y in range(side) for z in range(side)][:number])
    atoms = Atoms(f"Ar{number}", positions=4.0 * places, cell=[4.0 * side] * 3, pbc=True)
    rng = np.random.default_rng(draw.randrange(2**32))
    atoms.set_momenta(rng.normal(0, 0.5, (number, 3)))
    return atoms


def simulate(
    atoms: Atoms,
    calculator: Any,
    steps: int,
    observe: Callable[[MolecularDynamics], object] = lambda _: None,
) -> None:
    """Run MD with the calculator profiled, end the run, and leave in a file how long a step took.

    Args:
        atoms: The atoms to move.
        calculator: The bare calculator.
        steps: Number of steps.
        observe: Attaches observers.
    """
    with profiled(calculator, "run.jsonl", summary=False) as atoms.calc:
        dynamics = VelocityVerlet(atoms, 2 * units.fs)
        observe(dynamics)
        begun = time.perf_counter()
        dynamics.run(steps)
        Path("ms_per_step").write_text(str(1e3 * (time.perf_counter() - begun) / steps))
