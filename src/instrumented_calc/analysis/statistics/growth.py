"""Decide whether a series keeps growing: tell a leak from warm-up, caches, jumps and oscillations.

The test uses the part that never came back: the smallest value from each point on, called the floor. A
sawtooth, garbage awaiting collection and noise leave it flat; a leak raises it steadily to the end.

On new random patterns (tests/benchmarks/drift_rates.py) this replaces a test of only the 10th percentiles of
five parts, which took 25 % of the logarithmic staircases with narrow treads for leaks and missed a leak that
reaches the kernel 1 MB at a time. New are the floor instead of the raw values, the exponent of the growth,
and the limit on the floor's deviation from a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from instrumented_calc.analysis.statistics.line import fit_line
from instrumented_calc.analysis.statistics.theil_sen import block_medians, theil_sen

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.theil_sen import Floats, Slope

Verdict = Literal["flagged", "clear", "not enough evidence"]

# The first fifth is start-up, the rest is judged in five parts.
DROPPED_SHARE = 0.2
PARTS = 5
# A thinned run has few samples: with ten, 0.3 % of the healthy patterns were taken for leaks.
FEWEST_A_PART, FEWEST_SAMPLES = 1, 10
MOST_POINTS = 2000
# Growth from part to part, as shares of its mean: smallest of each, largest of one (of the sum), smallest of
# the last. Found on 11 synthetic patterns, and confirmed on the new ones.
LEAST_RISE, MOST_RISE, LEAST_LAST_RISE = 0.3, 0.6, 0.4
# The growth must exceed this many median absolute deviations of the floor from its line.
NOISE_FACTOR = 3.0
# Exponents p of time^p that are tried (0: the logarithm); growth that slows like a square root or more does
# not continue indefinitely. Calibrated on the new patterns.
EXPONENTS = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
SLOWING = 0.5
# Largest deviation of 95 % of the floor from a straight line, as a share of the growth. Calibrated on the
# new patterns.
MOST_STRAYING = 0.18
# A staircase of equal, evenly spaced treads deviates by half a tread, whatever its cause.
TREAD_SLACK = 0.6
FEWEST_TREADS, FEWEST_FOR_TREADS = 3, 30
EQUAL_RISERS, EVEN_TREADS = 1.3, 1.5
LEVELLED, SLOWED = "it rose and has levelled off", "its rise is slowing down"
JUMPED = "most of the rise was one jump"
STEPPED = "it rises in equal steps, and the next step may still follow"
# A rise that has not yet fallen to this share of the smallest leak may still become one.
STILL_RISING = 0.25
# A leak test must be able to see this slope, in bytes per step: 2 GB in a million steps.
SMALLEST_LEAK = 2_000.0
LEAST_BYTES = 1e6


@dataclass(frozen=True, slots=True)
class Growth:
    """Behaviour of a series after its first fifth.

    Attributes:
        verdict: `flagged` if it grows without levelling off.
        reason: The reason, in a few words.
        samples: Number of samples after the first fifth.
        grown: Growth of the floor from the first to the last fifth of the judged part.
        slope: Theil-Sen slope of the values, or None with too few of them.
        seen_from: The smallest slope that this series could have revealed.
    """

    verdict: Verdict
    reason: str
    samples: int
    grown: float
    slope: Slope | None
    seen_from: float | None


def judge_growth(
    along: Floats, values: Floats, *, least: float = LEAST_BYTES, smallest_slope: float = SMALLEST_LEAK
) -> Growth:
    """Judge whether a series grows steadily and is still growing at its end.

    Args:
        along: Steps or calls, ascending.
        values: The series, in bytes unless the other arguments are in another unit.
        least: Growth below this is negligible.
        smallest_slope: The slope that must be detectable before a series is called clear.
    """
    if not len(along):
        return Growth("not enough evidence", "no samples", 0, 0.0, None, None)
    kept = along >= along[0] + DROPPED_SHARE * (along[-1] - along[0])
    along, values = along[kept], values[kept]
    samples = len(along)
    part = np.clip(np.searchsorted(np.linspace(along[0], along[-1], PARTS + 1), along, "right") - 1, 0, 4)
    few = samples < FEWEST_SAMPLES or np.bincount(part, minlength=PARTS).min() < FEWEST_A_PART
    if few:
        return Growth("not enough evidence", "too few samples", samples, 0.0, None, None)
    slope = theil_sen(along, values)
    floor = np.minimum.accumulate(values[::-1])[::-1]
    levels = np.array([floor[part == number].mean() for number in range(PARTS)])
    grown = float(levels[-1] - levels[0])
    noise = NOISE_FACTOR * _deviation(values - _line(along, values))
    length = float(along[-1] - along[0])
    seen_from = max(least, noise) / (length * (PARTS - 1) / PARTS)
    rises = np.diff(levels)
    # After a jump the rest must be flat; after a warm-up the end must be flat.
    rest = (rises.sum() - rises.max()) / (PARTS - 2)
    verdict, reason = _verdict(*block_medians(along, floor, MOST_POINTS), levels, least)
    still = {JUMPED: rest, LEVELLED: rises[-1], SLOWED: rises[-1]}.get(reason, 0.0) / (length / PARTS)
    if still > STILL_RISING * smallest_slope:
        verdict, reason = "not enough evidence", f"{reason}, but has not stopped"
    if verdict == "clear" and seen_from > smallest_slope:
        verdict, reason = "not enough evidence", "too short or too noisy to decide"
    return Growth(verdict, reason, samples, grown, slope, seen_from)


def _verdict(along: Floats, floor: Floats, levels: Floats, least: float) -> tuple[Verdict, str]:
    rises = np.diff(levels)
    grown = float(rises.sum())
    residuals = floor - _line(along, floor)
    if grown <= max(least, NOISE_FACTOR * _deviation(residuals)):
        return "clear", "no growth beyond the noise" if grown > least else "no growth"
    if rises[-1] < LEAST_LAST_RISE * rises.mean():
        waiting = _on_a_tread(along, floor, grown)
        return ("not enough evidence", STEPPED) if waiting else ("clear", LEVELLED)
    if rises.max() >= MOST_RISE * grown:
        return "clear", JUMPED
    tread = _tread(along, floor, grown)
    if not tread and _exponent(along, floor) <= SLOWING:
        return "clear", SLOWED
    slack = MOST_STRAYING * grown + TREAD_SLACK * tread
    if rises.min() <= LEAST_RISE * rises.mean() or np.quantile(np.abs(residuals), 0.95) > slack:
        return "not enough evidence", "it rises unevenly: a longer run is needed"
    return "flagged", "it rises steadily to the end"


def _exponent(along: Floats, floor: Floats) -> float:
    """Return the power of time that fits the floor best."""
    time = (along + 1) / (along[-1] + 1)

    def misfit(exponent: float) -> float:
        shape = np.log(time) if exponent == 0 else np.sign(exponent) * time**exponent
        return float(np.square(floor - _line(shape, floor)).sum())

    return min(EXPONENTS, key=misfit)


def _on_a_tread(along: Floats, floor: Floats, grown: float) -> bool:
    """Return whether the flat end of a staircase of equal risers is no longer than the treads before it."""
    rises = np.diff(floor)
    at = np.flatnonzero(rises > 0.1 * grown)
    if len(at) < FEWEST_TREADS - 1 or rises[at].max() >= EQUAL_RISERS * rises[at].min():
        return False
    starts = along[at + 1]
    # A riser may be anywhere between two samples.
    return bool(along[-1] - starts[-1] <= np.diff(starts).max() + np.diff(along).max())


def _tread(along: Floats, floor: Floats, grown: float) -> float:
    """Return the height of a staircase's risers if they are equal and evenly spaced, else 0."""
    rises = np.diff(floor)
    at = np.flatnonzero(rises > 0.1 * grown)
    if len(at) < FEWEST_TREADS or len(along) < FEWEST_FOR_TREADS:
        return 0.0
    lengths = np.diff(along[at + 1])
    equal = rises[at].max() < EQUAL_RISERS * rises[at].min()
    even = lengths.max() < EVEN_TREADS * lengths.min()
    return float(rises[at].mean()) if equal and even else 0.0


def _line(along: Floats, values: Floats) -> Floats:
    """Return the least-squares line through a series; level if all abscissas are equal."""
    line = fit_line(along, values)
    return np.full(len(along), values.mean()) if line is None else line.at(along)


def _deviation(residuals: Floats) -> float:
    """Return the median absolute deviation."""
    return _median(np.abs(residuals - _median(residuals)))


def _median(values: Floats) -> float:
    # Not `np.median`, which loads numpy's masked arrays.
    return float(np.partition(values, len(values) // 2)[len(values) // 2])
