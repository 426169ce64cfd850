"""A run in stretches: wall time, CPU time and preemptions per call, over the course of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Calls, Integers

    Floats = NDArray[np.float64]

MOST_STRETCHES = 50
# Samples of the CPU time are at least 10 ms apart, and the kernel counts in steps of up to 10 ms.
SHORTEST_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Stretches:
    """Consecutive stretches of a run between samples of the CPU time, in order; all arrays have their length.

    Attributes:
        first: Row of the sample at the beginning of each.
        last: Row of the sample at the end of each.
        calls: Number of calls in each.
        wall_ns: Wall time per call, with the time between calls.
        cpu_ns: CPU time of the process per call.
        preemptions: Involuntary context switches per second of wall time; None if not sampled.
    """

    first: Integers
    last: Integers
    calls: Integers
    wall_ns: Floats
    cpu_ns: Floats
    preemptions: Floats | None

    def __len__(self) -> int:
        """Return the number of stretches."""
        return len(self.calls)


def measure_stretches(calls: Calls, begin: int = 0) -> Stretches | None:
    """Divide a run into stretches.

    Args:
        calls: The columns.
        begin: Row before which samples are skipped.

    Returns:
        The stretches, or None with fewer than two samples of the CPU time.
    """
    sampled = calls.sparse.get("cpu_ns")
    if sampled is None:
        return None
    kept = (sampled.rows >= begin) & ~calls.nested[sampled.rows]
    rows, cpu = sampled.rows[kept], sampled.values[kept].astype(np.float64)
    if len(rows) < 2:  # noqa: PLR2004 - a stretch has two ends
        return None
    ends = calls.start_ns[rows].astype(np.float64) + calls.wall_ns[rows]
    chosen = _edges(ends)
    rows, cpu, ends = rows[chosen], cpu[chosen], ends[chosen]
    order = np.searchsorted(in_order(calls, ~calls.nested), rows)
    number, wall = np.diff(order), np.diff(ends)
    good = (number > 0) & (wall > 0) & (np.diff(cpu) >= 0)
    if not good.any():
        return None
    return Stretches(
        first=rows[:-1][good],
        last=rows[1:][good],
        calls=number[good],
        wall_ns=wall[good] / number[good],
        cpu_ns=np.diff(cpu)[good] / number[good],
        preemptions=_preemptions(calls, rows, wall, good),
    )


def _edges(ends: Floats) -> Integers:
    """Return the samples that divide the run into stretches of about the same wall time."""
    length = max((ends[-1] - ends[0]) / MOST_STRETCHES, SHORTEST_NS)
    wanted = np.arange(ends[0], ends[-1] + length / 2, length)
    found: Integers = np.unique(np.clip(np.searchsorted(ends, wanted), 0, len(ends) - 1))
    return found


def _preemptions(calls: Calls, rows: Integers, wall: Floats, good: NDArray[np.bool_]) -> Floats | None:
    sampled = calls.sparse.get("preemptions")
    if sampled is None or len(sampled) < 2:  # noqa: PLR2004 - a rate needs two
        return None
    grown = np.diff(np.interp(rows, sampled.rows, sampled.values.astype(np.float64)))
    rates: Floats = grown[good] / wall[good] * 1e9
    return rates
