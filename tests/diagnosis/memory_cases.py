"""Memory in a run: leaks, and healthy patterns that resemble them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import Springs, lattice, simulate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

STEPS = 2200
LEAK = 2048  # bytes per step
MB = 1_000_000


def hold(draw: random.Random, work: Callable[[int], object], steps: int = STEPS) -> None:
    """Run MD whose calculator does something to memory in each call."""
    simulate(lattice(draw), Springs(draw.uniform(0.005, 0.006), work), steps)


@case("leak-of-blocks", "host-growth")
def leak_of_blocks(draw: random.Random, planted: bool) -> None:
    """One block of 2 kB per step, from malloc."""
    kept: list[Any] = []

    def work(_: int) -> None:
        block = np.ones(LEAK // 8)
        if planted:
            kept.append(block)

    hold(draw, work)


@case("leak-of-small-objects", "host-growth")
def leak_of_small_objects(draw: random.Random, planted: bool) -> None:
    """Many small Python objects a step, 2 kB together: from Python's own allocator."""
    kept: list[Any] = []
    pieces = draw.randint(20, 40)

    def work(number: int) -> None:
        # A float takes 24 bytes, its place in the list 8.
        made = [[number + piece / 7.0 for piece in range(LEAK // 32 // pieces)] for _ in range(pieces)]
        if planted:
            kept.extend(made)

    hold(draw, work)


@case("leak-told-while-it-runs", "host-growth")
def leak_told_while_it_runs(draw: random.Random, planted: bool) -> None:
    """A leak of 2 kB per step, in steps of a usual length."""
    kept: list[Any] = []

    def work(_: int) -> None:
        block = np.ones(LEAK // 8)
        if planted:
            kept.append(block)

    simulate(lattice(draw), Springs(draw.uniform(0.005, 0.008), work), 2000)


@case("one-jump")
def one_jump(draw: random.Random, planted: bool) -> None:
    """50 MB in one step, some time in the run."""
    kept: list[Any] = []
    when = draw.randint(STEPS // 10, 9 * STEPS // 10)
    hold(draw, lambda number: kept.append(np.ones(50 * MB // 8)) if number == when else None)


@case("warm-up-that-saturates")
def warm_up_that_saturates(draw: random.Random, planted: bool) -> None:
    """A cache that grows ever more slowly, until it is full."""
    kept: list[Any] = []
    size, length = draw.uniform(5, 60) * MB, draw.uniform(0.03, 0.12) * STEPS

    def work(number: int) -> None:
        kept.append(np.ones(int(size / length * np.exp(-number / length) / 8)))

    hold(draw, work)


@case("sawtooth-cache")
def sawtooth_cache(draw: random.Random, planted: bool) -> None:
    """A cache that is emptied whenever it is full."""
    kept: list[Any] = []
    period, block = draw.randint(100, 500), draw.randint(5, 50) * 1000

    def work(number: int) -> None:
        if number % period == 0:
            kept.clear()
        kept.append(np.ones(block // 8))

    hold(draw, work)


@case("falling-memory")
def falling_memory(draw: random.Random, planted: bool) -> None:
    """Memory allocated before the run is freed, bit by bit."""
    kept = [np.ones(draw.randint(4, 40) * 1000) for _ in range(STEPS)]
    hold(draw, lambda _: kept.pop() if kept else None)
