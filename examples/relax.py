"""Relax a crystal, then run dynamics with the same calculator: two phases of one journal, relax.jsonl."""

from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.optimize import BFGS

from instrumented_calc import profiled

STEPS = 100

atoms = bulk("Cu", cubic=True) * (2, 2, 2)
atoms.rattle(0.1, seed=1)

with profiled(EMT(), "relax.jsonl") as atoms.calc:
    BFGS(atoms, logfile=None).run(fmax=0.02)
    Langevin(atoms, 2 * units.fs, temperature_K=300, friction=0.01 / units.fs).run(STEPS)
