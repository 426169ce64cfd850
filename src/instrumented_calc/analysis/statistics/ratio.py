"""The ratio of two groups of times, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.student_t import Estimate, difference_of_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Times of one kind, before and after.

    Attributes:
        before_ns: Geometric mean over the runs of one side, ns; None if it was not measured.
        after_ns: The same for the other side.
        interval: After over before, with a 95 % interval; None if it cannot be estimated.
    """

    before_ns: float | None
    after_ns: float | None
    interval: Estimate | None

    @property
    def value(self) -> float | None:
        """After over before: below 1 is faster."""
        return self.after_ns / self.before_ns if self.before_ns and self.after_ns else None


def compare_groups(before: Floats, after: Floats, errors: Sequence[tuple[float, float] | None]) -> Ratio:
    """Return the ratio of the geometric means of two groups.

    With more than one run on a side the run is the unit, so the interval is that of the difference of the
    means of logarithms. With one run on each side it is computed from the errors within the runs.

    Args:
        before: One positive value per run; NaN if a run has none.
        after: The same for the other side.
        errors: For single runs the standard error of the logarithm on each side, and the half-width of a 95
            % interval in standard errors; otherwise unused.
    """
    logs = [np.log(side[side > 0]) for side in (before, after)]
    means = [math.exp(float(each.mean())) if len(each) else None for each in logs]
    interval = difference_of_means(*logs)
    known = [each for each in errors if each is not None]
    if interval is None and len(known) == 2 and all(map(len, logs)):  # noqa: PLR2004 - both sides
        middle = float(logs[1].mean() - logs[0].mean())
        reach = max(each[1] for each in known) * math.hypot(known[0][0], known[1][0])
        interval = Estimate(middle, middle - reach, middle + reach)
    return Ratio(means[0], means[1], interval.exponential() if interval else None)
