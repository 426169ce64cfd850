"""Liquid water and crystalline benzene."""

from __future__ import annotations

from typing import Any

import numpy as np

from instrumented_calc.experiments.systems.lattices import FACE_CENTRED, repeated

MOLECULES_PER_CELL = 4
WATER_DENSITY, WATER_MASS = 0.997, 18.015  # g/cm^3 at 25 C; g/mol
# Pbca at 270 K; edges in A, and fractional positions of three of a molecule's carbons relative to its
# centre, which is a centre of inversion. Cox, Cruickshank and Smith, Proc. R. Soc. A 247, 1 (1958).
BENZENE_EDGES = (7.460, 9.666, 7.034)
BENZENE_CARBONS = ((-0.0569, 0.1387, -0.0054), (-0.1335, 0.0460, 0.1264), (0.0774, 0.0925, -0.1295))
BENZENE_RADII = {"C": 1.397, "H": 2.484}  # of its two rings, A
# Pbca's operations, without inversion: signs and shifts.
OPERATIONS = (
    ((1, 1, 1), (0, 0, 0)),
    ((-1, -1, 1), (0.5, 0, 0.5)),
    ((-1, 1, -1), (0, 0.5, 0.5)),
    ((1, -1, -1), (0.5, 0.5, 0)),
)


def water(n_molecules: int, rng: np.random.Generator) -> Any:
    """Build water at the liquid's density: random orientations on the sites of a face-centred lattice.

    Neighbouring molecules are 3.5 A apart there, so nothing overlaps in any orientation; a few hundred steps
    of dynamics make it a liquid.
    """
    from ase import Atoms, units
    from ase.build import molecule

    volume = WATER_MASS / WATER_DENSITY * 1e24 / units.mol  # A^3 per molecule
    edge = (MOLECULES_PER_CELL * volume) ** (1 / 3)
    primitive = Atoms("X", cell=edge * FACE_CENTRED, pbc=True)
    cell = Atoms("X4", np.vstack([np.zeros(3), FACE_CENTRED * edge]), cell=[edge] * 3, pbc=True)
    places = repeated(cell, primitive, n_molecules)
    single = molecule("H2O")
    shape = single.positions - single.get_center_of_mass()
    positions = [centre + shape @ _turn(rng) for centre in places.positions]
    return Atoms("OHH" * n_molecules, np.vstack(positions), cell=places.cell, pbc=True)


def benzene(n_cells: int, _: np.random.Generator) -> Any:
    """Build crystalline benzene of a number of unit cells, four molecules each."""
    from ase import Atoms

    edges = np.array(BENZENE_EDGES)
    carbons = np.array(BENZENE_CARBONS) * edges
    directions = carbons / np.linalg.norm(carbons, axis=1)[:, None]
    directions = np.vstack([directions, -directions])
    rings = np.vstack([radius * directions for radius in BENZENE_RADII.values()])
    symbols = [symbol for symbol in BENZENE_RADII for _ in directions]
    positions = [rings * signs + np.multiply(shift, edges) for signs, shift in OPERATIONS]
    cell = Atoms(symbols * len(OPERATIONS), np.vstack(positions), cell=edges, pbc=True)
    return repeated(cell, cell, n_cells)


def _turn(rng: np.random.Generator) -> Any:
    """Return a random rotation, all equally likely, (3, 3)."""
    # Of a Gaussian matrix; its determinant is made 1.
    rotation, triangle = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation = rotation * np.sign(np.diag(triangle))
    return rotation * np.linalg.det(rotation)
