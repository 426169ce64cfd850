"""Descriptors with numpy.einsum, written in slow ways; the twin gives the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import copper, move, working

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LIVE = {"stored": False, "busy": True, "saving": True}


def describe(slow: Callable[[], object], quick: Callable[[], object], steps: int, *, planted: bool) -> None:
    """Run MD whose calculator contracts a descriptor in each call."""
    contract = slow if planted else quick
    move(copper(), working(lambda _: contract()), steps)


def arrays(*shapes: tuple[int, ...]) -> list[Any]:
    """Return random arrays."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


@case("einsum-of-four-without-a-path", "bad-path", also=("off-blas",), **LIVE)
def einsum_of_four_without_a_path(draw: random.Random, planted: bool) -> None:
    """Four operands in one loop, without BLAS."""
    first, weights, second = arrays((60, 40), (60,), (60, 40))
    row = arrays((60,))[0]
    describe(
        lambda: np.einsum("ki,k,kj,k->ij", first, weights, second, row),
        lambda: (first * (weights * row)[:, None]).T @ second,
        400,
        planted=planted,
    )


@case(
    "einsum-optimised-on-tiny-arrays",
    "path-search",
    also=("tiny-contraction-storm",),
    places=("einsum_path",),
    **LIVE,
)
def einsum_optimised_on_tiny_arrays(draw: random.Random, planted: bool) -> None:
    """`optimize=True` on tiny arrays takes longer for its path than for the product."""
    tensor, vector = arrays((4, 3, 3), (3, 3))

    def contract(optimize: bool) -> None:
        for _ in range(150):
            np.einsum("mij,ij->m", tensor, vector, optimize=optimize)

    describe(lambda: contract(True), lambda: contract(False), 250, planted=planted)


@case("einsum-path-searched-in-each-call", "path-search", places=("einsum_path", "_optimal_path"), **LIVE)
def einsum_path_searched_in_each_call(draw: random.Random, planted: bool) -> None:
    """The optimal path is searched in each call instead of once."""
    operands = arrays((8, 6), (6, 7), (7, 5), (5, 9), (9, 4))
    equation = "ab,bc,cd,de,ef->af"
    path = np.einsum_path(equation, *operands, optimize="optimal")[0]

    def contract(optimize: Any) -> None:
        for _ in range(10):
            np.einsum(equation, *operands, optimize=optimize)

    describe(lambda: contract("optimal"), lambda: contract(path), 250, planted=planted)


@case("einsum-without-blas", "off-blas", **LIVE)
def einsum_without_blas(draw: random.Random, planted: bool) -> None:
    """A large product of two arrays in a C loop."""
    tensor, vectors = arrays((14, 60, 20), (60, 20, 12))
    describe(
        lambda: [np.einsum("mpq,pqn->mn", tensor, vectors) for _ in range(10)],
        lambda: [tensor.reshape(14, -1) @ vectors.reshape(-1, 12) for _ in range(10)],
        250,
        planted=planted,
    )


@case("einsum-with-a-huge-intermediate", "bad-path", also=("off-blas",), **LIVE)
def einsum_with_a_huge_intermediate(draw: random.Random, planted: bool) -> None:
    """Three operands: all indices in one loop, 60 times the operations that are needed."""
    left, middle, right = arrays((30, 40), (40, 30), (30, 20))
    describe(
        lambda: np.einsum("ab,bc,cd->ad", left, middle, right),
        lambda: left @ middle @ right,
        400,
        planted=planted,
    )
