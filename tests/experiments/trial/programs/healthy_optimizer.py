"""One relaxation after another, with a rare log."""

from ase.build import molecule
from ase.calculators.emt import EMT
from ase.optimize import FIRE

for seed in range(10_000):
    atoms = molecule("C6H6")
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    FIRE(atoms, logfile=None).run(fmax=0.01, steps=50)
