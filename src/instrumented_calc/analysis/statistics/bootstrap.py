"""Uncertainty of the quantiles of one run, whose calls are correlated.

Consecutive calls are similar: clock frequency, number of neighbours, other processes. So blocks of
consecutive calls are resampled instead of single calls: the moving-block bootstrap of Kuensch, Ann. Stat.
17, 1217 (1989).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.student_t import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Integers

    Floats = NDArray[np.float64]

RESAMPLES = 1_000
# More blocks than this hardly improve the variance estimate (1/sqrt(2 x 400) = 4 %) and only cost time.
MOST_BLOCKS = 400
# A block of this many correlation times loses little of the correlation at its edges.
TIMES_CORRELATION = 6.0
# Number of block start positions per block length.
STARTS_PER_BLOCK = 8
# Number of thresholds at which distribution functions are computed; interpolated in between.
THRESHOLDS = 600
# Sokal's window: sums of autocorrelations are cut at this many correlation times.
WINDOW = 5.0


@dataclass(frozen=True, slots=True)
class QuantileErrors:
    """Uncertainty of the quantiles of a run.

    Attributes:
        correlation: Autocorrelation time of the calls, in calls: 1 if they are independent.
        blocks: Number of whole blocks in the run.
        log_errors: Standard error of the logarithm of each quantile.
    """

    correlation: float
    blocks: float
    log_errors: tuple[float, ...]

    @property
    def reach(self) -> float:
        """Half-width of a 95 % interval in standard errors: the fewer blocks, the further above 1.96."""
        return t_quantile(max(round(self.blocks) - 1, 1))


def quantile_spread(series: Floats, probabilities: Sequence[float], seed: int = 0) -> QuantileErrors | None:
    """Estimate the uncertainty of quantiles of a run.

    Args:
        series: Durations of consecutive calls, positive.
        probabilities: The quantiles: 0.5 is the median.
        seed: Seed of the resampling.

    Returns:
        None if the run has fewer than two blocks, because its calls are too few or too correlated.
    """
    correlation = correlation_time(series <= np.median(series))
    size = max(TIMES_CORRELATION * correlation, len(series) ** (1 / 3), len(series) / MOST_BLOCKS)
    step = max(int(np.ceil(size / STARTS_PER_BLOCK)), 1)
    steps = int(np.ceil(size / step))
    if len(series) < 2 * step * steps:
        return None
    edges = _thresholds(series)
    places = np.searchsorted(edges, series)
    whole = len(series) // step
    flat = np.arange(whole * step) // step * len(edges) + places[: whole * step]
    counts = np.bincount(flat, minlength=whole * len(edges)).reshape(whole, len(edges))
    return QuantileErrors(
        correlation, len(series) / step / steps, _log_errors(counts, edges, steps, probabilities, seed)
    )


def histogram_spread(
    counts: NDArray[np.int64], edges: Floats, probabilities: Sequence[float], seed: int = 0
) -> QuantileErrors | None:
    """Estimate the same for a thinned run, from the histograms of its slices.

    Args:
        counts: One row per slice: the number of calls at each duration.
        edges: These durations, ascending.
        probabilities: The quantiles.
        seed: Seed of the resampling.
    """
    sums = counts.sum(axis=0)
    middle = int(np.searchsorted(np.cumsum(sums), sums.sum() / 2))
    totals = np.maximum(counts.sum(axis=1), 1)
    correlation = correlation_time(counts[:, : middle + 1].sum(axis=1) / totals)
    steps = int(
        np.ceil(max(TIMES_CORRELATION * correlation, len(counts) ** (1 / 3), len(counts) / MOST_BLOCKS))
    )
    if len(counts) < 2 * steps:
        return None
    calls = float(totals.mean())
    errors = _log_errors(counts, edges, steps, probabilities, seed)
    return QuantileErrors(correlation * calls, len(counts) / steps, errors)


def _thresholds(series: Floats) -> Floats:
    ordered = np.sort(series)
    tails = 1 - np.geomspace(0.05, 1e-4, THRESHOLDS // 4)
    levels = np.concatenate([np.linspace(0, 0.95, THRESHOLDS), tails, [1.0]])
    found: Floats = np.unique(ordered[np.round(levels * (len(ordered) - 1)).astype(np.int64)])
    return found


def _log_errors(
    counts: NDArray[np.int64], edges: Floats, steps: int, probabilities: Sequence[float], seed: int
) -> tuple[float, ...]:
    """Resample blocks of consecutive rows of counts; return the scatter of the logarithms of quantiles."""
    sums = np.cumsum(np.cumsum(counts, axis=1), axis=0)
    sums = np.concatenate([np.zeros((1, len(edges)), np.int64), sums])
    moving = (sums[steps:] - sums[:-steps]).astype(np.float32)
    drawn = np.random.default_rng(seed).integers(0, len(moving), (RESAMPLES, len(counts) // steps))
    weights = np.zeros((RESAMPLES, len(moving)), np.float32)
    np.add.at(weights, (np.arange(RESAMPLES)[:, None], drawn), 1.0)
    quantiles = [_quantiles(each, edges, probabilities) for each in weights @ moving]
    return tuple(np.log(quantiles).std(axis=0, ddof=1).tolist())


def _quantiles(below: Floats, edges: Floats, probabilities: Sequence[float]) -> Floats:
    found: Floats = np.interp(np.array(probabilities) * below[-1], below, edges)
    return found


def correlation_time(series: Integers | Floats | NDArray[np.bool_]) -> float:
    """Return the integrated autocorrelation time of a series, in steps of the series, at least 1.

    1 + 2 sum of the autocorrelations, up to the first lag beyond five times the sum so far: Sokal, Monte
    Carlo Methods in Statistical Mechanics (1996), section 3.
    """
    centred = np.asarray(series, np.float64) - np.mean(series)
    size = 1 << (2 * len(centred) - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    covariance = np.fft.irfft(power, size)[: len(centred)]
    if covariance[0] <= 0:
        return 1.0
    sums = 2 * np.cumsum(covariance / covariance[0]) - 1
    beyond = np.arange(len(sums)) >= WINDOW * sums
    return max(float(sums[int(np.argmax(beyond)) if beyond.any() else -1]), 1.0)
