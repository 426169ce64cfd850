"""Flat ellipsoids with an orientation, the usual models of anisotropic particles."""

from __future__ import annotations

from typing import Any

import numpy as np

from instrumented_calc.experiments.systems.lattices import repeated

SPACING = 5.0  # A between particles of a simple cubic lattice
DIAMETERS = (4.0, 4.0, 0.5)  # A
SHAKEN = 0.1  # A, the spread of each coordinate: at a symmetric site the force is zero
MASS = 78.11  # of benzene, u


def ellipsoids(n_particles: int, rng: np.random.Generator) -> Any:
    """Build a periodic box of flat ellipsoids with random orientations.

    Returns:
        Atoms X with the arrays `c_q`, orientations (w, x, y, z), and `c_diameter[1]` to `c_diameter[3]`, A.
    """
    from ase import Atoms

    cell = Atoms("X", cell=[SPACING] * 3, pbc=True)
    atoms = repeated(cell, cell, n_particles)
    atoms.positions += rng.normal(scale=SHAKEN, size=(n_particles, 3))
    atoms.set_masses(np.full(n_particles, MASS))
    quaternions = rng.normal(size=(n_particles, 4))
    atoms.set_array("c_q", quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True))
    for axis, diameter in enumerate(DIAMETERS, start=1):
        atoms.set_array(f"c_diameter[{axis}]", np.full(n_particles, diameter))
    return atoms
