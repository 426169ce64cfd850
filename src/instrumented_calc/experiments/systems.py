"""Systems to calculate, of about the size that is asked for."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

ATOMS_PER_CELL = 4  # of the cubic cell of a face-centred lattice
LONGEST_EDGE = 40  # cells


def copper(n_atoms: int, *, temperature_k: float = 300.0, seed: int = 0) -> Any:
    """Build face-centred copper with thermal velocities.

    The number of atoms is the nearest that whole cubic cells of four atoms allow, as near to a cube as
    that number permits; the atoms tell how many they are.

    Args:
        n_atoms: Number of atoms that is wanted.
        temperature_k: Temperature of the velocities, in K.
        seed: Seed of the velocities.

    Returns:
        Periodic ASE atoms at the experimental lattice constant, 3.615 A.
    """
    import numpy as np  # noqa: PLC0415 - only experiments need it
    from ase.build import bulk  # noqa: PLC0415 - likewise

    atoms = bulk("Cu", a=3.615, cubic=True) * cells_for(n_atoms)
    # Maxwell and Boltzmann's distribution: all masses are equal, so only its width needs a scale.
    momenta = np.random.default_rng(seed).normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    atoms.set_momenta(atoms.get_momenta() * np.sqrt(temperature_k / atoms.get_temperature()))
    return atoms


def cells_for(n_atoms: int) -> tuple[int, int, int]:
    """Return the numbers of cubic cells along each axis whose product is nearest to `n_atoms / 4`."""
    wanted = max(round(n_atoms / ATOMS_PER_CELL), 1)
    edge = min(round(wanted ** (1 / 3)) * 2 + 2, LONGEST_EDGE)
    boxes = combinations_with_replacement(range(1, edge + 1), 3)
    return min(boxes, key=lambda box: (abs(box[0] * box[1] * box[2] - wanted), box[2] - box[0]))
