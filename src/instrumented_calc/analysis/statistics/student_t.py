"""Student's t: its quantiles, and intervals for the difference of two means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.line import fit_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.analysis.statistics.line import Line

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its two-sided 95 % interval."""

    value: float
    low: float
    high: float

    def exponential(self) -> Estimate:
        """Return exp of the value and its interval: a ratio, from a difference of logarithms."""
        # Larger exponents are meaningless as an interval and would overflow.
        return Estimate(
            *(math.exp(min(max(each, -700.0), 700.0)) for each in (self.value, self.low, self.high))
        )


@cache
def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Return the half-width of a two-sided interval in standard errors.

    Args:
        freedom: Degrees of freedom, at least 1, not necessarily whole.
        confidence: Probability inside the interval.
    """
    # Loading scipy takes 265 ms and 25 MB: only `compare`, `scale`, `study` and `ingest` need intervals, so
    # neither a recorded run nor `report` loads it.
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import, see above

    return float(stdtrit(freedom, (1 + confidence) / 2))


def difference_of_means(before: Floats, after: Floats) -> Estimate | None:
    """Return mean(after) - mean(before) of independent values, or None if there is no scatter to use.

    With two or more values on both sides this is Welch's interval, Biometrika 34, 28 (1947), which allows
    different scatter on each side. A side with a single value is assumed to scatter like the other.
    """
    sizes = (len(before), len(after))
    if min(sizes) < 1 or max(sizes) < 2:  # noqa: PLR2004 - a single value has no scatter
        return None
    value = float(after.mean() - before.mean())
    parts = [_variance_of_mean(before, after), _variance_of_mean(after, before)]
    variance = sum(parts)
    if min(sizes) == 1:
        freedom = float(max(sizes) - 1)
    elif variance > 0:
        # Satterthwaite, Biometrics Bulletin 2, 110 (1946)
        freedom = variance**2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    else:
        freedom = 1.0
    reach = t_quantile(round(freedom, 3)) * math.sqrt(variance)
    return Estimate(value, value - reach, value + reach)


def _variance_of_mean(ours: Floats, theirs: Floats) -> float:
    scattered = ours if len(ours) > 1 else theirs
    return float(scattered.var(ddof=1)) / len(ours)


def _line_and_variance(along: Floats, values: Floats) -> tuple[Line, float] | None:
    """Return the least-squares line and the variance around it; None if the points determine neither."""
    freedom = len(along) - 2
    line = fit_line(along, values) if freedom >= 1 else None
    if line is None:
        return None
    return line, float(np.square(values - line.at(along)).sum()) / freedom


def slope(along: Floats, values: Floats) -> tuple[Estimate, float] | None:
    """Return the least-squares slope with its t interval, and the intercept.

    Args:
        along: Abscissas.
        values: Independent values at the abscissas.

    Returns:
        None with fewer than three points or without two different abscissas.
    """
    found = _line_and_variance(along, values)
    if found is None:
        return None
    line, variance = found
    reach = t_quantile(len(along) - 2) * math.sqrt(variance / line.spread)
    at_zero = line.level - line.slope * line.centre
    return Estimate(line.slope, line.slope - reach, line.slope + reach), at_zero


def line_with_interval(along: Floats, values: Floats, at: Floats) -> list[Estimate]:
    """Return the least-squares line at some abscissas, each with the t interval of the line there.

    The interval is that of the mean at one abscissa (Snedecor and Cochran, Statistical Methods, 8th ed.
    (1989), chapter 9), narrowest at the centre of the points; single values scatter more.

    Args:
        along: Abscissas.
        values: Independent values at the abscissas.
        at: Where the line is wanted.

    Returns:
        Nothing with fewer than three points or without two different abscissas.
    """
    found = _line_and_variance(along, values)
    if found is None:
        return []
    line, variance = found
    errors = np.sqrt(variance * (1 / len(along) + np.square(at - line.centre) / line.spread))
    reaches = t_quantile(len(along) - 2) * errors
    middles = line.at(at)
    return [
        Estimate(middle, middle - reach, middle + reach)
        for middle, reach in zip(middles.tolist(), reaches.tolist(), strict=True)
    ]
