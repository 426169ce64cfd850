"""Checks of timed runs before they are compared, with their names and limits.

An experiment checks its own cells with them, an intake the rows of stored tables.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SINGLE_RUN = "n-runs-1"
WARMUP_MISSING = "warmup-missing"
COLD_CACHE_PAIR = "cold-cache-pair"
UNACCOUNTED_TIME = "unaccounted-time"
THREADS_UNEQUAL = "threads-unequal"
HARDWARE_UNEQUAL = "hardware-unequal"
VALUES_DIFFER = "values-differ"
BACKEND_UNVERIFIED = "backend-label-unverified"
TOO_SMALL_FOR_TORCH = "rss-too-small-for-torch"

FEWEST_RUNS = 2  # a single run has no interval
# A first run that takes this many times the fastest was not warmed up.
WARM_UP = 1.5
# A run that reads more from disk than another by this factor, and more than 1 MiB, had a cold cache.
COLD_CACHE, FEWEST_BLOCKS = 10.0, 2048
# Share of the time that is neither computation nor conversion: noted, and enough to hide conversions.
UNACCOUNTED, UNACCOUNTED_FLAG = 0.05, 0.10
# A torch process uses at least this share of the memory that importing torch takes; and where that was not
# measured, this much. Measured: importing numpy takes 25-30 MB, torch for the CPU 220 MB with it.
RSS_MARGIN, LEAST_TORCH_BYTES = 0.8, 150_000 * 1024


class TimedRun(Protocol):
    """One timed process of one mode; None for values that were not recorded. Times in s."""

    @property
    def mode(self) -> str:
        """The mode, as labelled."""

    @property
    def rep(self) -> int | None:
        """Number of the replicate, from 1."""

    @property
    def wall_s(self) -> float | None:
        """Wall time."""

    @property
    def compute_s(self) -> float | None:
        """The part in the computation."""

    @property
    def conv_in_s(self) -> float | None:
        """The part in conversions before it."""

    @property
    def conv_out_s(self) -> float | None:
        """The part in conversions after it."""

    @property
    def warmed_up(self) -> bool | None:
        """Whether a warm-up preceded."""

    @property
    def threads_in_effect(self) -> str:
        """Sizes of the thread pools in effect, in words; empty if not recorded."""


Run = TypeVar("Run", bound=TimedRun)


def is_single(runs: Sequence[TimedRun]) -> bool:
    """Return whether the replicates of a mode are too few for an interval."""
    return len(runs) < FEWEST_RUNS


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Return runs in the order of their replicates."""
    return sorted(runs, key=lambda each: each.rep or 0)


def cold_start(runs: Iterable[TimedRun]) -> float | None:
    """Return the time of the first replicate over the fastest if the first must be excluded, else None.

    Args:
        runs: The replicates of a mode.
    """
    ordered = in_order(runs)
    times = [each.wall_s for each in ordered if each.wall_s and is_time(each.wall_s)]
    if len(times) < FEWEST_RUNS or any(each.warmed_up for each in ordered):
        return None
    ratio = times[0] / min(times)
    return ratio if ratio > WARM_UP else None


def is_cold_pair(blocks: float, others_blocks: float) -> bool:
    """Return whether one of two runs read so much more from disk that their times are not comparable.

    Args:
        blocks: Blocks of 512 bytes that one of them read.
        others_blocks: Blocks that the other read.
    """
    less, more = sorted((blocks, others_blocks))
    return more > max(COLD_CACHE * less, FEWEST_BLOCKS)


def unaccounted_share(runs: Iterable[TimedRun]) -> float | None:
    """Return the share of the wall time that is neither computation nor conversion; None if not recorded.

    Args:
        runs: The replicates of a mode.
    """
    timed = [each for each in runs if each.wall_s and is_time(each.wall_s) and is_time(each.compute_s)]
    if not timed:
        return None
    return max(0.0, 1 - sum(map(accounted_s, timed)) / sum(each.wall_s or 0.0 for each in timed))


def accounted_s(run: TimedRun) -> float:
    """Return the time in computation and conversions, s."""
    parts = (run.compute_s, run.conv_in_s, run.conv_out_s)
    return sum(part for part in parts if part is not None and math.isfinite(part))


def is_time(value: float | None) -> bool:
    """Return whether a time is usable in computations: finite and not negative."""
    return value is not None and math.isfinite(value) and value >= 0


def different_threads(runs: Iterable[TimedRun]) -> dict[str, str]:
    """Return the threads in effect with the first mode that had them; empty if all runs had the same."""
    found: dict[str, str] = {}
    for each in runs:
        if each.threads_in_effect:
            found.setdefault(each.threads_in_effect, each.mode)
    return found if len(found) > 1 else {}


def not_as_requested(pool: str, size: int, requested: int) -> str:
    """Return the text on a thread pool that has another size than requested."""
    return f"{pool} has {size} threads, not {requested} as requested"


def least_torch_bytes(floor_bytes: float | None = None) -> float:
    """Return the least resident memory of a process that uses torch.

    Args:
        floor_bytes: Measured memory of a process that only imports numpy and torch; None if unknown.
    """
    return RSS_MARGIN * floor_bytes if floor_bytes else LEAST_TORCH_BYTES
