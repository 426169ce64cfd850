"""Tables of a batched expansion that depend only on the settings."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc_anisoap.library import library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc_anisoap.hypers import Hypers


@dataclass(frozen=True)
class Degree:
    """How the moments of one degree follow from those of the two degrees below.

    With e - 1 for the exponents e less one along `axis`, the moment of e is a[axis] times that of e - 1, plus
    the sum over k of cov[axis, k] times the k-th exponent of e - 1 times the moment of (e - 1) less one
    along k: Isserlis' theorem, as AniSOAP's own recursion has it.

    Attributes:
        axis: First axis of each monomial with an exponent above 0, (monomials,).
        below: Row of e - 1 among the monomials of one degree less, (monomials,).
        factors: Exponents of e - 1, 0 where there is no lower one, (3, monomials).
        second: Rows of (e - 1) less one along each axis, two degrees below, (3, monomials).
    """

    axis: NDArray[Any]
    below: NDArray[Any]
    factors: NDArray[Any]
    second: NDArray[Any]


def exponents(degree: int) -> list[tuple[int, int, int]]:
    """Return the exponents (p, q, r) of all monomials of a degree."""
    return [
        (p, q, degree - p - q) for p, q in itertools.product(range(degree + 1), repeat=2) if p + q <= degree
    ]


def recursion(highest: int) -> list[Degree]:
    """Return how moments follow from lower ones, for degrees from 1 to the highest."""
    steps = []
    for degree in range(1, highest + 1):
        first, second = ({e: i for i, e in enumerate(exponents(degree - k))} for k in (1, 2))
        wanted = exponents(degree)
        axes = [next(k for k in range(3) if e[k]) for e in wanted]
        lower = [_less(e, k) for e, k in zip(wanted, axes, strict=True)]
        steps.append(
            Degree(
                axis=np.array(axes),
                below=np.array([first[e] for e in lower]),
                factors=np.array([[e[k] for e in lower] for k in range(3)], dtype=float),
                second=np.array([[second.get(_less(e, k), 0) for e in lower] for k in range(3)]),
            )
        )
    return steps


def _less(exponent: tuple[int, int, int], axis: int) -> tuple[int, int, int]:
    p, q, r = (e - (k == axis) for k, e in enumerate(exponent))
    return p, q, r


def to_monomials(hypers: Hypers) -> list[NDArray[Any]]:
    """Return the solid harmonics of each l in monomials, (2l+1, n, monomials up to degree l + 2n - 2).

    AniSOAP has a cube of exponents (p, q, r) in place of the last index; five sixths of it are zeros.
    """
    cubes = library().spherical_to_cartesian(hypers.max_angular, hypers.radial_functions)
    packed = []
    for ell, cube in enumerate(cubes):
        kept = [e for degree in range(cube.shape[-1]) for e in exponents(degree)]
        p, q, r = np.array(kept).T
        packed.append(cube[:, :, p, q, r] / np.sqrt(4 * np.pi / (2 * ell + 1)))
    return packed


def orthonormalisations(hypers: Hypers, basis: Any) -> list[NDArray[Any]]:
    """Return the matrix of each l, (n, n), that takes AniSOAP's radial functions to orthonormal ones.

    It results from AniSOAP's transformation of the unit matrix.

    Args:
        hypers: The settings.
        basis: AniSOAP's radial functions.
    """
    anisoap = library()
    blocks = []
    for n in hypers.radial_functions:
        rows = np.arange(n, dtype=np.int32)[:, None]
        columns = anisoap.Labels(["n", "neighbor_types"], np.hstack([rows, np.zeros_like(rows)]))
        component = anisoap.Labels(["spherical_component_m"], np.zeros((1, 1), np.int32))
        samples = anisoap.Labels(["type", "center"], np.hstack([np.zeros_like(rows), rows]))
        blocks.append(anisoap.TensorBlock(np.eye(n)[:, None, :], samples, [component], columns))
    keys = np.array([(0, ell) for ell in range(hypers.max_angular + 1)], dtype=np.int32)
    unit = anisoap.TensorMap(anisoap.Labels(["types_center", "angular_channel"], keys), blocks)
    return [np.array(block.values[:, 0, :]) for block in basis.orthonormalize_basis(unit).blocks()]
