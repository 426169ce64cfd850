"""Time covered by calls that may overlap (threads, several images)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.journal.columns import BLOCK_ROWS

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls, Integers


@dataclass(frozen=True, slots=True)
class Cover:
    """Extent of calls in time.

    Attributes:
        first_ns: Start of the first call.
        last_ns: End of the last call.
        sum_ns: Sum of the durations.
        union_ns: Time in which at least one call ran; at most the sum.
    """

    first_ns: int
    last_ns: int
    sum_ns: int
    union_ns: int


def cover(calls: Calls, rows: Integers) -> Cover | None:
    """Return the time covered by calls, or None if there are none.

    Args:
        calls: The columns.
        rows: Row numbers in order of start of the calls.
    """
    if not len(rows):
        return None
    reached = first = int(calls.start_ns[rows[0]])
    total = union = 0
    for begin in range(0, len(rows), BLOCK_ROWS):
        block = rows[begin : begin + BLOCK_ROWS]
        start = calls.start_ns[block]
        wall = calls.wall_ns[block].astype(np.int64)
        ends = np.maximum(np.maximum.accumulate(start + wall), reached)
        before = np.concatenate([[reached], ends[:-1]])
        union += int((ends - np.maximum(start, before)).clip(min=0).sum())
        total += int(wall.sum())
        reached = int(ends[-1])
    return Cover(first, reached, total, union)
