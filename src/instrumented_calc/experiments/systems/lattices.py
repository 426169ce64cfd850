"""Repeats a small cell exactly as often as requested, with periodic images as far apart as possible."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ATOMS_PER_CELL = 4  # of the cubic cell of a face-centred lattice
LONGEST_EDGE = 130  # cells: a cube with more than the largest number of atoms
LONGEST_BOX = 1.5  # times its width: longer boxes are replaced by oblique cells
MOST_CANDIDATES = 256
MOST_COMPARISONS = 20_000_000

FACE_CENTRED = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def repeated(cell: Any, primitive: Any, n_primitive: int) -> Any:
    """Repeat a crystal until it has a number of primitive cells.

    Args:
        cell: ASE atoms of the conventional cell.
        primitive: ASE atoms of the primitive cell of the same crystal.
        n_primitive: Number of primitive cells, at least 1.

    Returns:
        A nearly cubic box of conventional cells where the number allows, else an oblique supercell.
    """
    from ase.build import make_supercell

    ratio = len(cell) // len(primitive)
    if n_primitive % ratio == 0:
        box = cells_for(n_primitive * ATOMS_PER_CELL // ratio)
        if math.prod(box) * ratio == n_primitive and _is_compact(cell.cell.lengths() * box):
            return cell * box
    # Not wrapped into the cell: molecules stay whole.
    return make_supercell(primitive, compact_supercell(np.array(primitive.cell), n_primitive), wrap=False)


def cells_for(n_atoms: int) -> tuple[int, int, int]:
    """Return the numbers of cubic cells along each axis whose product is nearest to `n_atoms / 4`."""
    wanted = max(round(n_atoms / ATOMS_PER_CELL), 1)
    edge = min(round(wanted ** (1 / 3)) * 2 + 2, LONGEST_EDGE)
    boxes = combinations_with_replacement(range(1, edge + 1), 3)
    return min(boxes, key=lambda box: (abs(box[0] * box[1] * box[2] - wanted), box[2] - box[0]))


def compact_supercell(cell: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the supercell of `n` cells with the longest shortest vector among some hundreds.

    It tries the lattices of all (x, y, z) with x + g y + h z a multiple of n, for many g and h: each has
    exactly n points in its cell.

    Args:
        cell: Lattice vectors as rows, A, (3, 3).
        n: Number of cells.

    Returns:
        Integer matrix of determinant n, (3, 3), whose rows are short.
    """
    from ase.geometry import minkowski_reduce

    points = _near_points(cell, n)
    weights = _candidates(n, max(MOST_COMPARISONS // len(points), 8))
    inside = (points @ weights.T) % n == 0
    # `points` are in order of length, and the last is a point of every one of these lattices.
    shortest = inside.argmax(axis=0)
    g, h = weights[shortest.argmax(), 1:]
    basis = np.array([[n, 0, 0], [-g, 1, 0], [-h, 0, 1]])
    _, operation = minkowski_reduce(basis @ cell)
    reduced: NDArray[Any] = np.rint(operation @ basis).astype(int)
    return reduced if np.linalg.det(reduced) > 0 else -reduced


def _is_compact(edges: NDArray[Any]) -> bool:
    return bool(edges.max() <= LONGEST_BOX * edges.min())


def _near_points(cell: NDArray[Any], n: int) -> NDArray[Any]:
    """Return lattice points up to the longest shortest vector that n cells allow, by their length."""
    # No lattice is denser than the face-centred one, whose shortest vector is (sqrt(2) volume)^(1/3).
    reach = (math.sqrt(2) * n * abs(np.linalg.det(cell))) ** (1 / 3) * (1 + 1e-9)
    spans = [math.ceil(reach * length) for length in np.linalg.norm(np.linalg.inv(cell), axis=0)]
    axes = [np.arange(-span, span + 1) for span in spans]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(points @ cell, axis=1)
    points, lengths = points[lengths > 0], lengths[lengths > 0]
    kept = points[np.argsort(lengths, kind="stable")][: int((lengths <= reach).sum())]
    return np.concatenate([kept, [[n, 0, 0]]])


def _candidates(n: int, most: int) -> NDArray[Any]:
    """Return (1, g, h): all of the pairs if they are few, else a fixed selection."""
    most = min(most, MOST_CANDIDATES)
    if n * n <= most:
        g, h = np.divmod(np.arange(n * n), n)
    else:
        g, h = np.random.default_rng(n).integers(0, n, (2, most))
    return np.stack([np.ones_like(g), g, h], axis=1)
