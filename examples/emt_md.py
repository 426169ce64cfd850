"""Molecular dynamics of copper with ASE's EMT: needs nothing but the base install.

python examples/emt_md.py; the summary is printed when the program ends, and the journal is emt.jsonl.
"""

from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io.trajectory import Trajectory
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from instrumented_calc import profiled

STEPS = 300

atoms = bulk("Cu", cubic=True) * (2, 2, 2)
MaxwellBoltzmannDistribution(atoms, temperature_K=600)

with profiled(EMT(), "emt.jsonl") as atoms.calc:
    dynamics = VelocityVerlet(atoms, 5 * units.fs)
    dynamics.attach(Trajectory("emt.traj", "w", atoms), interval=10)
    dynamics.run(STEPS)
