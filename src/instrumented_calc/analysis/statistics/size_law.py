"""How a cost grows with the number of atoms: a fixed part and a power, with prediction intervals.

The law is `floor + factor * atoms**power`. Its power is at least 1: for large systems no method costs less
than linearly, and a curve that looks sublinear shows its fixed part. A plain power law would carry such an
apparent exponent far beyond the measured sizes and promise too little.

Intervals are those of a parametric bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap (1993),
section 6.5): the law is fitted again to runs drawn around it. A linearised error would fail where the fit
ends at one of its bounds: no fixed part, or a power of exactly 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.student_t import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST_SIZES = 3
PARAMETERS = 3
LEAST_POWER, MOST_POWER = 1.0, 4.0  # dense linear algebra takes the third power
# The best power is searched at this many points on both sides, with ever smaller steps.
POINTS, STEPS = 12, (0.125, 0.0125, 0.00125)
# Smallest scatter that is believed: no run repeats another more exactly.
RESOLUTION = 0.001
DRAWS = 1_000
TAILS = (2.5, 97.5)  # percent: the ends of a 95 % interval


@dataclass(frozen=True, slots=True, eq=False)
class SizeLaw:
    """A fitted law, and the laws fitted to runs drawn around it.

    Attributes:
        floor: Cost at zero atoms, not negative.
        factor: Cost of `unit` atoms beyond it, not negative.
        power: From 1 to 4.
        unit: The largest measured number of atoms.
        scatter: Relative standard deviation of a run around the law.
        misfit: Probability of deviations of the sizes from the law as large as these, given the scatter of
            replicates; None without replicates, or with no more sizes than parameters.
        drawn: Floor, factor, power and scatter of each drawn law: one row each.
    """

    floor: float
    factor: float
    power: float
    unit: float
    scatter: float
    misfit: float | None
    drawn: Floats

    def at(self, atoms: float) -> float:
        """Return the law's cost."""
        return float(self.floor + self.factor * (atoms / self.unit) ** self.power)

    def drawn_at(self, atoms: float) -> Floats:
        """Return the cost in each drawn law."""
        floor, factor, power, _ = self.drawn
        found: Floats = floor + factor * (atoms / self.unit) ** power
        return found

    def through(self, atoms: float, cost: float) -> SizeLaw:
        """Return the law multiplied so that it passes through one further run, which scatters as well."""
        ratio, ratios = cost / self.at(atoms), cost * self.drawn_noise(2) / self.drawn_at(atoms)
        floor, factor, power, scatter = self.drawn
        drawn = np.vstack([floor * ratios, factor * ratios, power, scatter])
        return replace(self, floor=self.floor * ratio, factor=self.factor * ratio, drawn=drawn)

    def above(self, atoms: float, cost: float) -> SizeLaw:
        """Return the law moved by a constant so that it passes through one further run."""
        floor, factor, power, scatter = self.drawn
        floors = floor + cost * self.drawn_noise(2) - self.drawn_at(atoms)
        drawn = np.vstack([floors, factor, power, scatter])
        return replace(self, floor=self.floor + cost - self.at(atoms), drawn=drawn)

    def drawn_noise(self, seed: int) -> Floats:
        """Return a relative deviation from the law, of one run in each drawn law."""
        found: Floats = np.exp(self.drawn[3] * np.random.default_rng(seed).normal(size=self.drawn.shape[1]))
        return found

    def predict(self, atoms: float) -> Estimate:
        """Return the cost of one further run, with the interval that contains it in 95 % of all cases.

        At a bound of the law the draws lie on one side of it, and the truth may lie on the other: the farther
        end is taken on both sides, as a factor.
        """
        value = self.at(atoms)
        low, high = np.percentile(self.drawn_at(atoms) * self.drawn_noise(1), TAILS)
        reach = max(value / float(low) if low > 0 else np.inf, float(high) / value)
        return Estimate(value, value / reach, value * reach)

    def largest(self, limit: float) -> Estimate | None:
        """Return the largest number of atoms whose cost is within a limit.

        Returns:
            None if the law, or more than 2.5 % of the drawn ones, do not grow. The interval may end at 0.
        """
        with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0: does not grow, and there is no room
            room = np.maximum(limit - self.drawn[0], 0.0) / self.drawn[1]
            sizes = self.unit * room ** (1 / self.drawn[2])
        low, high = np.percentile(sizes, TAILS, method="nearest")  # some may be infinite
        if not self.factor or not np.isfinite(high):
            return None
        value = self.unit * (max(limit - self.floor, 0.0) / self.factor) ** (1 / self.power)
        return Estimate(value, float(low), float(high))


def fit_size_law(atoms: Floats, costs: Floats, seed: int = 0) -> SizeLaw | None:
    """Fit the law by least squares of relative deviations.

    Args:
        atoms: Size of each run.
        costs: Cost of each run, positive.
        seed: Seed of the drawn runs.

    Returns:
        None with fewer than three sizes, or not more runs than parameters.
    """
    sizes, place = np.unique(atoms, return_inverse=True)
    freedom = len(atoms) - PARAMETERS
    if len(sizes) < FEWEST_SIZES or freedom < 1:
        return None
    unit = float(sizes[-1])
    typical = np.exp(np.bincount(place, np.log(costs)) / np.bincount(place))[place]
    ((floor, factor, power),) = _fits(atoms / unit, costs[None], typical).T
    expected = floor + factor * (atoms / unit) ** power
    deviations = np.log(costs / expected)
    scatter = max(float(np.sqrt(np.square(deviations).sum() / freedom)), RESOLUTION)
    rng = np.random.default_rng(seed)
    # The scatter itself is known as well as so few runs allow.
    scatters = scatter * np.sqrt(freedom / rng.chisquare(freedom, DRAWS))
    with np.errstate(over="ignore", invalid="ignore"):  # as if runs of different code were mixed
        runs = expected * np.exp(scatters[:, None] * rng.normal(size=(DRAWS, len(atoms))))
        drawn = np.vstack([_fits(atoms / unit, runs, typical), scatters])
    misfit = _misfit(deviations, place, len(sizes))
    return SizeLaw(float(floor), float(factor), float(power), unit, scatter, misfit, drawn)


def _fits(along: Floats, costs: Floats, typical: Floats) -> Floats:
    """Return floor, factor and power of the best law for each row of costs, one column for each row."""
    weights, rows = typical**-2, np.arange(len(costs))
    power = np.full(len(costs), (LEAST_POWER + MOST_POWER) / 2)
    for step in STEPS:
        around = step * np.arange(-POINTS, POINTS + 1)[:, None]
        tried = np.clip(power + around, LEAST_POWER, MOST_POWER)
        floor, factor, squares = _coefficients(costs, weights, along ** tried[:, :, None])
        best = np.argmin(squares, axis=0)
        power = tried[best, rows]
    return np.vstack([floor[best, rows], factor[best, rows], power])


def _coefficients(costs: Floats, weights: Floats, grown: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit floor and factor by weighted least squares, neither of them negative.

    Args:
        costs: One row of costs for each fit.
        weights: Weight of each run.
        grown: The powers of the sizes, which the last two axes have in common with the costs.

    Returns:
        Floor, factor, and the sum of squares without what all powers have in common.
    """
    ones, first, second = weights.sum(), grown @ weights, grown**2 @ weights
    plain, mixed = costs @ weights, (grown * costs) @ weights
    floor = (plain * second - mixed * first) / (ones * second - first**2)
    factor = (mixed * ones - plain * first) / (ones * second - first**2)
    factor = np.where(floor < 0, mixed / second, np.maximum(factor, 0.0))
    floor = np.where(floor < 0, 0.0, np.where(factor > 0, floor, plain / ones))
    return floor, factor, -(floor * plain + factor * mixed)


def _misfit(deviations: Floats, place: NDArray[np.intp], sizes: int) -> float | None:
    """Return the probability of the F test for lack of fit, which compares sizes with their replicates.

    Draper and Smith, Applied Regression Analysis (1998), section 2.1.
    """
    between, within = sizes - PARAMETERS, len(deviations) - sizes
    if between < 1 or within < 1:
        return None
    from scipy.special import fdtrc  # noqa: PLC0415 - slow to import, as in student_t

    means = np.bincount(place, deviations) / np.bincount(place)
    pure = float(np.square(deviations - means[place]).sum()) + within * RESOLUTION**2
    lack = float(np.square(means[place]).sum())
    return float(fdtrc(between, within, lack / between / (pure / within)))
