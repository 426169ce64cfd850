"""Allocations are traced, and every step is written to a file."""

import tracemalloc

import ase.io
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

tracemalloc.start(10)
atoms = copper(1)
run = dynamics(atoms, EMT())
run.attach(lambda: ase.io.write("last.xyz", atoms.repeat(3)), interval=1)
run.run(100_000)
