"""Detect the end of a run's warm-up, instead of assuming it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Integers

SEARCHED_SHARE = 0.2
FEWEST_CALLS = 10
# Calls beyond this number do not affect the decision, and a million logarithms cost time and memory.
MOST_SEARCHED = 20_000
# A warm-up is slower than the following calls by at least this factor (in the mean of the logarithms).
LEAST_SLOWDOWN = 1.3
# A split must lower the squared error by this many variances times log(n). The theoretical value for
# independent calls is 2 to 3 (Bayesian information criterion); calls of one run are correlated.
PENALTY = 6.0


def warmup_calls(wall_ns: Integers) -> int:
    """Return the number of warm-up calls at the start.

    Two levels are fitted to the logarithm of the latency by least squares, with the change between
    them anywhere in the first fifth of the calls. Change points: Killick, Fearnhead and Eckley,
    J. Am. Stat. Assoc. 107, 1590 (2012), here with a single change, which is O(n).

    Args:
        wall_ns: Durations of the successful outermost calls in order, ns.

    Returns:
        The number of calls before the steady state; 0 if the gain is too small.
    """
    total = len(wall_ns)
    if total < FEWEST_CALLS:
        return 0
    searched = min(int(total * SEARCHED_SHARE), MOST_SEARCHED)
    considered = wall_ns[: min(total, 5 * searched)]
    logs = np.log(np.maximum(considered, 1))
    # A single stall must not move the change point: levels use clipped logarithms.
    middle, spread = _robust_level(logs[searched:])
    clipped = np.clip(logs, middle - 5 * spread, middle + np.log(20))
    count = len(clipped)
    before = np.arange(1, searched + 1)
    sums = np.cumsum(clipped)
    early = sums[:searched] / before
    late = (sums[-1] - sums[:searched]) / (count - before)
    gains = (early - late) ** 2 * before * (count - before) / count
    gains[early - late <= np.log(LEAST_SLOWDOWN)] = 0.0
    best = int(np.argmax(gains))
    return best + 1 if gains[best] > PENALTY * spread**2 * np.log(count) else 0


def _robust_level(logs: NDArray[np.float64]) -> tuple[float, float]:
    """Return median and spread, the latter from quartiles as for a normal distribution."""
    low, middle, high = np.percentile(logs, (25, 50, 75))
    return float(middle), max(float(high - low) / 1.349, 0.01)
