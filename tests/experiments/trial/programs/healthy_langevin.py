"""A thermostat without a seed, and a trajectory written now and then."""

from ase import units
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.md.langevin import Langevin

atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(2)
atoms.calc = LennardJones(sigma=3.4, epsilon=0.0103, rc=8.5)
options = {"timestep": 2 * units.fs, "temperature_K": 50, "friction": 0.01 / units.fs}
Langevin(atoms, trajectory="run.traj", loginterval=200, **options).run(100_000)
