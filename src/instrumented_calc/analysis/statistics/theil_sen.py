"""A slope that is robust against outliers, with an interval that needs no normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Integers

    Floats = NDArray[np.float64]

# All pairs of this many points are 45 000 slopes, 10 ms; more points hardly narrow the interval.
MOST_POINTS = 300
FEWEST_POINTS = 3
# 97.5th percentile of the normal distribution: two-sided 95 %.
TWO_SIDED_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope and its 95 % interval, in units of the values per unit of the abscissa."""

    value: float
    low: float
    high: float


def theil_sen(along: Floats, values: Floats) -> Slope | None:
    """Return the median of the slopes of all pairs of points.

    The interval is that of Sen, J. Am. Stat. Assoc. 63, 1379 (1968), from the variance of Kendall's rank
    statistic. It assumes independent points, so for the correlated points of one run it is too narrow. Long
    series are reduced to medians of consecutive points, which also lessens the correlation.

    Args:
        along: Abscissas, ascending.
        values: Values at the abscissas.

    Returns:
        The slope, or None with fewer than three different abscissas.
    """
    along, values = block_medians(along, values, MOST_POINTS)
    first, second = np.triu_indices(len(along), k=1)
    runs = along[second] - along[first]
    slopes = np.sort((values[second] - values[first])[runs > 0] / runs[runs > 0])
    if len(along) < FEWEST_POINTS or not len(slopes):
        return None
    count = len(along)
    spread = TWO_SIDED_95 * (count * (count - 1) * (2 * count + 5) / 18) ** 0.5
    low = max(int((len(slopes) - spread) / 2), 0)
    high = min(int((len(slopes) + spread) / 2) + 1, len(slopes) - 1)
    middle = slopes[[(len(slopes) - 1) // 2, len(slopes) // 2]].mean()
    return Slope(float(middle), float(slopes[low]), float(slopes[high]))


def block_medians(along: Floats | Integers, values: Floats | Integers, most: int) -> tuple[Floats, Floats]:
    """Reduce a series to at most this many points: medians of equal blocks of consecutive points."""
    size = -(-len(along) // most)
    if size <= 1:
        return along.astype(np.float64), values.astype(np.float64)
    whole = len(along) // size * size
    # The middle of a sorted block, not `np.median`, which loads numpy's masked arrays.
    middles = np.partition(values[:whole].reshape(-1, size), size // 2, axis=1)[:, size // 2]
    return along[:whole:size].astype(np.float64), middles.astype(np.float64)
