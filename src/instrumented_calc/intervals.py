"""Intervals of time that may overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def covered_ns(intervals: Iterable[tuple[int, int]]) -> int:
    """Return the time that lies in at least one interval, ns.

    Args:
        intervals: Start and end of each, ns, in any order.
    """
    covered, reached = 0, None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            covered += end - begin
            reached = end
    return covered
