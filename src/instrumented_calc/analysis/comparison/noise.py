"""The noise floor: the smallest change that replicates can show, given how equal runs scatter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.student_t import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun

FEWEST_RUNS = 2
MOST_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Noise:
    """Scatter of equal runs.

    Attributes:
        runs: Number of runs.
        median_ns: Geometric mean of their medians, ns.
        scatter: Standard deviation of the logarithms of their medians: 0.02 is 2 %.
    """

    runs: int
    median_ns: float
    scatter: float

    def floor(self, runs: int) -> float:
        """Return the smallest slowdown that this many runs on each side can show: 0.05 is 5 %.

        It is the half-width of the 95 % interval of Student's t for the difference of two means of equally
        scattered values (Snedecor and Cochran, Statistical Methods, 8th ed. (1989), section 6.9); a change of
        that size is found in about half of all comparisons.
        """
        reach = t_quantile(2 * runs - 2) * self.scatter * math.sqrt(2 / runs)
        return math.expm1(min(reach, 700.0))

    def runs_needed(self, slowdown: float) -> int | None:
        """Return the fewest runs on each side whose floor is below a slowdown; None if over a thousand."""
        if self.floor(MOST_RUNS) > slowdown:
            return None
        low, high = FEWEST_RUNS, MOST_RUNS
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.floor(middle) <= slowdown else (middle + 1, high)
        return low


def noise_of(runs: Sequence[MeasuredRun]) -> Noise | None:
    """Return the scatter of replicates; None with fewer than two runs that have steady calls."""
    medians = [run.quantiles_ns[0] for run in runs if run.quantiles_ns]
    if len(medians) < FEWEST_RUNS:
        return None
    logs = np.log(medians)
    return Noise(len(medians), math.exp(float(logs.mean())), float(logs.std(ddof=1)))
