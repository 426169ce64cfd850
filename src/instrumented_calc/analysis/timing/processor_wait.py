"""How long the calculating thread waited for a processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.journal.records import Machine


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
