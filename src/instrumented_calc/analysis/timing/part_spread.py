"""How much each part of a breakdown takes from call to call: min, mean, max and how much it varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.timing.latency import deviation

if TYPE_CHECKING:
    from instrumented_calc.analysis.timing.selection import Selection
    from instrumented_calc.journal.columns import Integers


@dataclass(frozen=True, slots=True)
class Spread:
    """One part over the calls whose rows were kept.

    Attributes:
        calls: Their number.
        min_ns: Least time in a call, ns; 0 for a part that some call did not enter.
        mean_ns: Mean, ns.
        max_ns: Largest, ns.
        cv: Standard deviation (n - 1) over the mean; None for fewer than two calls or a mean of 0.
    """

    calls: int
    min_ns: int
    mean_ns: float
    max_ns: int
    cv: float | None


def measure_spread(selection: Selection) -> dict[str, Spread]:
    """Return the spread of each component, of what is left of the calls, and of the time between them.

    Args:
        selection: The calls of a run or phase; of thinned stretches only sums are known.

    Returns:
        Spreads under the names of the breakdown's parts; `between calls` for what lies outside.
    """
    calls, rows = selection.calls, selection.rows
    if not len(rows):
        return {}
    found = {}
    # As narrow as it is: exclusive times add up to no more than the call's, so that this does not overflow.
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


def _spread(times: Integers) -> Spread:
    mean = float(times.mean())
    deviates = deviation(times)
    return Spread(
        calls=len(times),
        min_ns=int(times.min()),
        mean_ns=mean,
        max_ns=int(times.max()),
        cv=deviates / mean if deviates is not None and mean > 0 else None,
    )
