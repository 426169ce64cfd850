"""A large table of Python objects, and garbage collected after each step."""

import gc

from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

table = [[number, str(number)] for number in range(400_000)]
atoms = copper(1)
run = dynamics(atoms, EMT())
run.attach(gc.collect)
run.run(100_000)
