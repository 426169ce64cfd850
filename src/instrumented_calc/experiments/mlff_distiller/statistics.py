"""Statistics of a list of latencies, the same for every profile and benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Reported for a series of latencies, in this order.
STATISTICS = ("mean", "std", "median", "min", "max", "p95", "p99")


def latency_statistics(times: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    """Return the `STATISTICS` of at least one latency, in the unit given.

    Percentiles are values that occurred: an interpolation between two distant values was never observed. The
    standard deviation divides by n - 1, and is 0 for a single value.
    """
    values = np.asarray(times, dtype=np.float64)
    p95, p99 = np.percentile(values, [95, 99], method="higher")
    return {
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
        "p95": float(p95),
        "p99": float(p99),
    }
