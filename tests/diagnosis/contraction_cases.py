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


@case("descriptor-without-blas", "off-blas", saving=True, busy=True)
def descriptor_without_blas(draw: random.Random, planted: bool) -> None:
    """Most of a call is one einsum of a descriptor, in numpy's own loops; the twin has matrix products."""
    rng = np.random.default_rng(draw.randrange(2**32))
    vectors, weights = rng.normal(size=(60, 30)), rng.normal(size=(60, 20))

    def work(_: int) -> None:
        for _ in range(150):
            if planted:
                np.einsum("na,nb->ab", vectors, weights)
            else:
                vectors.T @ weights

    simulate(lattice(draw), Springs(0.001, work), 300)


@case("weights-summed-at-once", "bad-path", saving=True, busy=True)
def weights_summed_at_once(draw: random.Random, planted: bool) -> None:
    """Four arrays are multiplied in one sum over all indices; the twin multiplies pairs."""
    rng = np.random.default_rng(draw.randrange(2**32))
    points, wide, narrow = 300, draw.randint(30, 40), draw.randint(20, 30)
    left, right = rng.normal(size=(points, wide)), rng.normal(size=(points, narrow))
    charges, weights = rng.normal(size=points), rng.normal(size=points)

    def work(_: int) -> None:
        for _ in range(4):
            if planted:
                np.einsum("ki,k,kj,k->ij", left, charges, right, weights)
            else:
                (left * (charges * weights)[:, None]).T @ right

    simulate(lattice(draw), Springs(0.001, work), 300)


@case("order-searched-in-each-call", "path-search", saving=True, busy=True)
def order_searched_in_each_call(draw: random.Random, planted: bool) -> None:
    """Small arrays are multiplied with `optimize`: searching the order takes longer than the products."""
    rng = np.random.default_rng(draw.randrange(2**32))
    row, matrix, columns = rng.normal(size=12), rng.normal(size=(12, 12)), rng.normal(size=(12, 5))

    def work(_: int) -> None:
        for _ in range(80):
            if planted:
                np.einsum("n,nm,mc->c", row, matrix, columns, optimize=True)
            else:
                row @ matrix @ columns

    simulate(lattice(draw), Springs(0.001, work), 300)


@case("matrix-products-of-a-network", busy=True)
def matrix_products_of_a_network(draw: random.Random, planted: bool) -> None:
    """Most of a call is the products of a small network, written as einsums that numpy passes to BLAS."""
    rng = np.random.default_rng(draw.randrange(2**32))
    inputs = rng.normal(size=(400, 64))
    layers = [rng.normal(size=(64, 64)) / 8 for _ in range(3)]
    path = ["einsum_path", (0, 1)]

    def work(_: int) -> None:
        hidden = inputs
        for layer in layers:
            hidden = np.tanh(np.einsum("na,ab->nb", hidden, layer, optimize=path))

    simulate(lattice(draw), Springs(0.001, work), 300)
