"""How long the calculating thread waited for a processor."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.journal.records import Machine


class WaitSpan(NamedTuple):
    """Time between two readings, and the share of it that the thread waited for a processor."""

    begin_ns: int
    end_ns: int
    share: float


def wait_spans(machines: Iterable[Machine]) -> list[WaitSpan]:
    """Return the waiting between each two readings that have it, in order."""
    waits = sorted(
        (each.time_ns, each.processor_wait_ns) for each in machines if isinstance(each.processor_wait_ns, int)
    )
    return [
        WaitSpan(begin, end, min((after - before) / (end - begin), 1.0))
        for (begin, before), (end, after) in pairwise(waits)
        if end > begin and after >= before
    ]


def processor_wait(machines: Iterable[Machine]) -> float | None:
    """Return the share of the time that a thread was ready to run but others ran.

    Args:
        machines: Readings of the machine; from the first to the last that has the waiting time.

    Returns:
        The share, or None if it was not measured at two times.
    """
    waits = [
        (each.time_ns, each.processor_wait_ns) for each in machines if isinstance(each.processor_wait_ns, int)
    ]
    if not waits:
        return None
    (start, before), (end, after) = min(waits), max(waits)
    if end <= start or after < before:  # the number of an ended thread went to another one
        return None
    return min((after - before) / (end - start), 1.0)
