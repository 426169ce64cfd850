"""Runs without a fault, of calculators in common use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import lattice, simulate
from tests.diagnosis.time_cases import fcc

if TYPE_CHECKING:
    import random


@case("emt", stored=False, busy=True)
def emt(draw: random.Random, planted: bool) -> None:
    """Copper with ASE's own EMT."""
    simulate(fcc(draw), EMT(), 2000)


@case("lennard-jones", stored=False, busy=True)
def lennard_jones(draw: random.Random, planted: bool) -> None:
    """Argon with ASE's own Lennard-Jones potential."""
    simulate(lattice(draw, 27), LennardJones(sigma=3.4, epsilon=0.0104, rc=5.5), 2000)
