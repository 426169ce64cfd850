"""Copper with ASE's own potential."""

from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

atoms = copper(2)
dynamics(atoms, EMT()).run(100_000)
