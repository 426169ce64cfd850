"""Every step is written to a file, as text."""

import ase.io
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

atoms = copper(1)
run = dynamics(atoms, EMT())
run.attach(lambda: ase.io.write("last.xyz", atoms.repeat(3)), interval=1)
run.run(100_000)
