"""What the programs share: structures, and a pair potential that builds ASE's neighbour list at each call."""

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list


class PairPotential(Calculator):
    """Lennard-Jones for argon, shifted, without a skin."""

    implemented_properties = ("energy", "forces")
    epsilon, sigma, cutoff = 0.0103, 3.4, 8.5

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, d, vectors = neighbor_list("idD", self.atoms, self.cutoff)
        sixth = (self.sigma / d) ** 6
        shift = (self.sigma / self.cutoff) ** 6
        energy = 2 * self.epsilon * (sixth**2 - sixth - shift**2 + shift).sum()
        strength = -24 * self.epsilon * (2 * sixth**2 - sixth) / d**2
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, strength[:, None] * vectors)
        self.results = {"energy": float(energy), "forces": forces}


def argon(repeat):
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(repeat)
    atoms.rattle(0.05, seed=1)
    return atoms


def copper(repeat):
    atoms = bulk("Cu", cubic=True).repeat(repeat)
    atoms.rattle(0.05, seed=1)
    return atoms


def dynamics(atoms, calc, **options):
    atoms.calc = calc
    return VelocityVerlet(atoms, 2 * units.fs, **options)
