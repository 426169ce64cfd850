"""Made-up frames of exact composition, for measuring: ellipsoids, and molecules like benzene."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from instrumented_calc_anisoap.particles import DIAMETERS, QUATERNIONS, rotations

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOLECULE = 12
RADII = (1.397, 2.484)  # of benzene's carbon and hydrogen rings, in A
SPACING_OF_ELLIPSOIDS, DIAMETERS_OF_ELLIPSOIDS = 5.0, (4.0, 4.0, 0.5)  # A
SPACING_OF_MOLECULES, DIAMETERS_OF_ATOMS = 6.2, (2.0, 2.0, 1.0)  # A
JITTER = 0.1


def ellipsoids(n_frames: int, n_atoms: int, species: tuple[str, ...] = ("X",), seed: int = 0) -> list[Atoms]:
    """Return periodic frames of flat ellipsoids with random orientations.

    Args:
        n_frames: Number of frames.
        n_atoms: Number of particles in each.
        species: Symbols; each gets its equal share of the particles, the first ones the remainder.
        seed: Seed of positions and orientations.

    Raises:
        ValueError: There are more species than particles.
    """
    if not 1 <= len(species) <= n_atoms:
        message = f"{len(species)} species for {n_atoms} particles: give one to {n_atoms}"
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    symbols = _shares(species, n_atoms)
    frames = []
    for _ in range(n_frames):
        cell, centres = _places(n_atoms, SPACING_OF_ELLIPSOIDS, rng)
        atoms = Atoms(symbols, centres, cell=cell, pbc=True)
        frames.append(_shaped(atoms, _orientations(n_atoms, rng), DIAMETERS_OF_ELLIPSOIDS))
    return frames


def benzenes(
    n_frames: int, n_atoms: int, species: tuple[str, ...] = ("C", "H"), seed: int = 0
) -> list[Atoms]:
    """Return periodic frames of flat molecules: an inner ring of six particles and an outer one.

    Args:
        n_frames: Number of frames.
        n_atoms: Number of particles in each, a multiple of 12.
        species: Symbols of one to four species, each of an equal share of every molecule, inner ring first;
            C and H make benzene.
        seed: Seed of positions and orientations.

    Raises:
        ValueError: The particles do not form whole molecules, or the species have no equal shares.
    """
    if n_atoms < MOLECULE or n_atoms % MOLECULE:
        message = f"{n_atoms} particles: whole molecules need 12, 24, 36, ..."
        raise ValueError(message)
    if len(species) not in range(1, 5):
        message = f"{len(species)} species: give one to four"
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    n_molecules = n_atoms // MOLECULE
    symbols = _shares(species, MOLECULE) * n_molecules
    frames = []
    for _ in range(n_frames):
        cell, centres = _places(n_molecules, SPACING_OF_MOLECULES, rng)
        quaternions = _orientations(n_molecules, rng)
        positions = centres[:, None] + _rings() @ rotations(quaternions).transpose(0, 2, 1)
        atoms = Atoms(symbols, positions.reshape(-1, 3), cell=cell, pbc=True)
        frames.append(_shaped(atoms, np.repeat(quaternions, MOLECULE, axis=0), DIAMETERS_OF_ATOMS))
    return frames


def _shares(species: tuple[str, ...], n: int) -> list[str]:
    return [species[i * len(species) // n] for i in range(n)]


def _places(n: int, spacing: float, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the edges of a box in A, (3,), and places in it, (n, 3): those of a shaken grid."""
    shape = _grid(n)
    sites = np.stack(np.unravel_index(rng.permutation(math.prod(shape))[:n], shape), axis=1)
    return np.multiply(shape, spacing), (sites + rng.uniform(-JITTER, JITTER, (n, 3))) * spacing


def _grid(n: int) -> tuple[int, int, int]:
    """Return a grid that is nearly a cube and has n sites, or slightly more."""
    length = math.ceil(round(n ** (1 / 3), 9))
    width = math.ceil(math.sqrt(n / length))
    return length, width, math.ceil(n / (length * width))


def _orientations(n: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return quaternions (w, x, y, z) that are spread evenly over all orientations."""
    quaternions: NDArray[Any] = rng.normal(size=(n, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    return quaternions


def _rings() -> NDArray[Any]:
    """Return the places of a molecule's particles in A, (12, 3), in the plane z = 0."""
    angles = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(6)], axis=1)
    return np.concatenate([radius * ring for radius in RADII])


def _shaped(atoms: Atoms, quaternions: NDArray[Any], diameters: tuple[float, float, float]) -> Atoms:
    atoms.set_array(QUATERNIONS, quaternions)
    for name, diameter in zip(DIAMETERS, diameters, strict=True):
        atoms.set_array(name, np.full(len(atoms), diameter))
    return atoms
