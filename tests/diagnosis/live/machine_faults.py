"""What else runs on the machine, and the threads of numpy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.diagnosis.case import case
from tests.diagnosis.live.neighbours import busy_programs
from tests.diagnosis.live.workloads import copper, move, working
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}


@case("a-neighbour-comes-and-goes", "contention", **LIVE)
def a_neighbour_comes_and_goes(draw: random.Random, planted: bool) -> None:
    """Four other programs take the processors in the middle third of the run."""
    stack = contextlib.ExitStack()

    def observe(dynamics: Any) -> None:
        def come_and_go() -> None:
            if planted and dynamics.nsteps == 300:
                stack.enter_context(busy_programs(4))
            if dynamics.nsteps == 600:
                stack.close()

        dynamics.attach(come_and_go, interval=1)

    move(copper(2), working(lambda _: None), 900, observe=observe)
    stack.close()


@case("starved-throughout", "contention", also=("oversubscription",), **LIVE)
def starved_throughout(draw: random.Random, planted: bool) -> None:
    """Six other programs share the processors with the whole run."""
    with busy_programs(6 if planted else 0):
        move(copper(2), working(lambda _: None), 350)


@case("more-threads-than-are-free", "oversubscription", also=("contention",), **LIVE)
def more_threads_than_are_free(draw: random.Random, planted: bool) -> None:
    """Two threads of BLAS, while three other programs compute; the twin has one thread, alone."""
    matrix = np.random.default_rng(0).normal(size=(300, 300))

    def work(_: Atoms) -> None:
        matrix @ matrix

    with threadpool_limits(2 if planted else 1), busy_programs(3 if planted else 0):
        move(copper(), working(work), 300)
