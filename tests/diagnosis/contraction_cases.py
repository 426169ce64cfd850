"""How arrays are contracted: in tiny pieces, or in mixed precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import Springs, lattice, simulate

if TYPE_CHECKING:
    import random


@case("tiny-contractions", "tiny-contraction-storm", saving=True, busy=True)
def tiny_contractions(draw: random.Random, planted: bool) -> None:
    """Each neighbour has a contraction of its own; the twin does all of them in one."""
    rng = np.random.default_rng(draw.randrange(2**32))
    many, inner = draw.randint(1500, 2500), draw.randint(3, 4)
    tensor, vectors = rng.normal(size=(8, inner, inner)), rng.normal(size=(many, inner, inner))

    def one_by_one(_: int) -> None:
        for vector in vectors:
            np.einsum("mij,ij->m", tensor, vector)

    def batched(_: int) -> None:
        np.einsum("mij,nij->nm", tensor, vectors)

    simulate(lattice(draw), Springs(0.004, one_by_one if planted else batched), 200)


@case("mixed-precision", "conversion", busy=True)
def mixed_precision(draw: random.Random, planted: bool) -> None:
    """One operand has double precision, the other single: numpy converts in every call."""
    rng = np.random.default_rng(draw.randrange(2**32))
    size = draw.randint(50, 70)
    left = rng.normal(size=(size, size)).astype(np.float32)
    right = rng.normal(size=(size, size)).astype(np.float64 if planted else np.float32)

    def work(_: int) -> None:
        for _ in range(10 if planted else 2):
            np.einsum("ij,jk->ik", left, right)

    simulate(lattice(draw), Springs(0.004, work), 200)


@case("small-matrix-products")
def small_matrix_products(draw: random.Random, planted: bool) -> None:
    """Three small arrays are multiplied in one einsum: any other way takes longer."""
    rng = np.random.default_rng(draw.randrange(2**32))
    row, matrix, columns = rng.normal(size=8), rng.normal(size=(8, 8)), rng.normal(size=(8, 4))

    def work(_: int) -> None:
        for _ in range(200):
            np.einsum("n,nm,mc->c", row, matrix, columns)

    simulate(lattice(draw), Springs(0.002, work), 200)


@case("einsum-of-a-descriptor", busy=True)
def einsum_of_a_descriptor(draw: random.Random, planted: bool) -> None:
    """Most of a call is one einsum of a descriptor that no matrix product replaces."""
    rng = np.random.default_rng(draw.randrange(2**32))
    vectors, weights = rng.normal(size=(60, 30, 20)), rng.normal(size=(60, 30, 20))

    def work(_: int) -> None:
        for _ in range(60):
            np.einsum("nab,nab->n", vectors, weights)

    simulate(lattice(draw), Springs(0.0005, work), 300)
