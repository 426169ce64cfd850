"""Allocations are traced, left over from the search for a leak."""

import tracemalloc

from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

tracemalloc.start(10)
atoms = copper(1)
dynamics(atoms, EMT()).run(100_000)
