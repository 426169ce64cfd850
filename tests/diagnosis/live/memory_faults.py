"""Leaks in the way that scripts have them."""

from __future__ import annotations

import functools
import gc
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import Pairs, copper, move, working

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}
STEPS = 1100


@case("frames-kept-in-a-list", "host-growth", **LIVE)
def frames_kept_in_a_list(draw: random.Random, planted: bool) -> None:
    """An observer keeps a copy of each frame."""
    atoms, frames = copper(), []

    def keep() -> None:
        frames.append(atoms.repeat(3))
        if not planted:
            del frames[:-10]

    move(atoms, Pairs(), STEPS, observe=lambda dyn: dyn.attach(keep, interval=1))


@case("cache-by-positions", "host-growth", **LIVE)
def cache_by_positions(draw: random.Random, planted: bool) -> None:
    """Results are cached by the bytes of positions, which never come again."""

    @functools.lru_cache(maxsize=None if planted else 16)
    def table(key: bytes) -> Any:
        return np.ones(2000)

    move(copper(), working(lambda atoms: table(atoms.positions.tobytes())), STEPS)


@case("cycles-without-a-collector", "host-growth", **LIVE)
def cycles_without_a_collector(draw: random.Random, planted: bool) -> None:
    """The collector was disabled, and each call makes a circle of objects."""

    def work(_: Atoms) -> None:
        circle: dict[str, Any] = {"data": np.ones(2000)}
        circle["self"] = circle

    if planted:
        gc.disable()
    move(copper(), working(work), STEPS)


@case("results-kept-for-the-end", "host-growth", **LIVE)
def results_kept_for_the_end(draw: random.Random, planted: bool) -> None:
    """The script keeps the descriptor of each frame, to write all of them at the end."""
    kept: list[Any] = []

    def work(atoms: Atoms) -> None:
        time.sleep(0.001)
        kept.append(np.tile(atoms.positions, (8, 1)))
        if not planted:
            kept.clear()

    move(copper(), working(work), 1100)
