"""Variation of each part of a breakdown from call to call: min, mean, max and coefficient of variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.timing.latency import deviation

if TYPE_CHECKING:
    from instrumented_calc.analysis.timing.selection import Selection
    from instrumented_calc.journal.columns import Integers


@dataclass(frozen=True, slots=True)
class PartSpread:
    """One part over the calls with rows.

    Attributes:
        calls: Number of calls.
        min_ns: Shortest time in a call, ns; 0 if some call did not enter the part.
        mean_ns: Mean, ns.
        max_ns: Largest, ns.
        cv: Standard deviation (n - 1) over the mean; None for fewer than two calls or a mean of 0.
    """

    calls: int
    min_ns: int
    mean_ns: float
    max_ns: int
    cv: float | None


def measure_spread(selection: Selection) -> dict[str, PartSpread]:
    """Return the spread of each component, of the rest of the calls, and of the time between them.

    Profiled steps are left out: they are slow because of the profiler.

    Args:
        selection: The calls of a run or phase; thinned intervals have only sums.

    Returns:
        Spreads by the names of the breakdown's parts; `between calls` for the time outside.
    """
    calls, rows = selection.calls, selection.rows
    profiled = calls.profiled
    if profiled.any():
        rows = rows[~profiled[rows]]
    if not len(rows):
        return {}
    found = {}
    # Keep the narrow type: exclusive times sum to at most the call's time, so this cannot overflow.
    rest = calls.wall_ns[rows]
    for name, column in calls.components.items():
        times = column[rows]
        if times.any():
            found[name] = _spread(times)
            rest = rest - times
    found["other in the calculator" if found else "calculator"] = _spread(rest)
    gaps = calls.gap_ns[rows]
    if (gaps >= 0).any():
        found["between calls"] = _spread(gaps[gaps >= 0])
    return found


def _spread(times: Integers) -> PartSpread:
    mean = float(times.mean())
    deviates = deviation(times)
    return PartSpread(
        calls=len(times),
        min_ns=int(times.min()),
        mean_ns=mean,
        max_ns=int(times.max()),
        cv=deviates / mean if deviates is not None and mean > 0 else None,
    )
