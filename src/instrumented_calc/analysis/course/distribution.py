"""The distribution of the latency of the steady calls, on a logarithmic scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.journal.columns import BLOCK_ROWS
from instrumented_calc.journal.records import bucket_middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Calls, Integers
    from instrumented_calc.journal.records import Slice

MOST_BUCKETS = 80
FEWEST_CALLS = 5
LEAST_SPREAD = 1.1  # of the plotted range: smaller differences are no shape
CALLS_PER_BUCKET = 4  # of a short run, so that its shape is not noise


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many calls took how long.

    Attributes:
        edges_ns: Bounds of the buckets, one more than there are buckets.
        calls: Number of calls in each.
    """

    edges_ns: tuple[float, ...]
    calls: tuple[int, ...]


def distribute(calls: Calls, rows: Integers, slices: Sequence[Slice] = ()) -> Distribution | None:
    """Return the distribution of some calls, or None if they are too few.

    Args:
        calls: The columns.
        rows: The rows to count.
        slices: Thinned intervals; rows that they include are skipped.
    """
    if slices:
        rows = rows[~calls.sliced[rows]]
    counted = [each for each in slices if each.histogram and each.calls > each.failed]
    total = len(rows) + sum(each.calls - each.failed for each in counted)
    if total < FEWEST_CALLS:
        return None
    wall = calls.wall_ns[rows]
    ends = [int(wall.min()), int(wall.max())] if len(wall) else []
    low = min(ends + [each.min_ns for each in counted])
    high = max(ends + [each.max_ns for each in counted])
    number = int(np.clip(total / CALLS_PER_BUCKET, FEWEST_CALLS, MOST_BUCKETS))
    edges = np.geomspace(*_widened(max(low, 1), max(high + 1, 2)), number + 1)
    numbers = np.zeros(number, np.int64)
    for at in range(0, len(wall), BLOCK_ROWS):
        numbers += np.histogram(np.clip(wall[at : at + BLOCK_ROWS], edges[0], edges[-1]), edges)[0]
    for each in counted:
        for bucket, count in each.histogram:
            middle = float(np.clip(bucket_middle(bucket), edges[0], edges[-1]))
            numbers[min(int(np.searchsorted(edges, middle, side="right")) - 1, number - 1)] += count
    return Distribution(tuple(edges.tolist()), tuple(numbers.tolist()))


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return a range that is not too narrow."""
    if high >= LEAST_SPREAD * low:
        return low, high
    middle = (low * high) ** 0.5
    return middle / LEAST_SPREAD**0.5, middle * LEAST_SPREAD**0.5
