"""Synthetic memory series of a run: healthy kinds and leaks, each drawn from a seed.

A pattern is the memory in bytes at given steps, above an arbitrary base. The parameters of each draw
(amplitudes, periods, times) are random, so a test does not depend on one series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Pattern = Callable[[np.random.Generator, Values], Values]

PAGE = 4096
KB, MB = 1e3, 1e6


def sampled(rng: np.random.Generator, steps: int, pattern: Pattern) -> tuple[Values, Values]:
    """Return steps at which memory was sampled, and the readings in whole pages.

    Args:
        rng: Source of all randomness.
        steps: Length of the run.
        pattern: Pattern of the memory.
    """
    # Where calls are short, or sampling was thinned, there are but few samples.
    every = int(rng.choice([1, 2, 5, 10, min(50, steps // 50), steps // 25]))
    at = np.arange(int(rng.integers(0, every)), steps, every, dtype=np.float64)
    # Samples are taken by time: calls that take longer or shorter shift them.
    at = np.unique(np.clip(np.round(at + rng.normal(0, 0.2 * every, len(at))), 0, steps - 1))
    base = rng.uniform(50, 2000) * MB
    values = base + pattern(rng, at) + jitter(rng, len(at))
    return at, np.floor(values / PAGE) * PAGE


def jitter(rng: np.random.Generator, count: int) -> Values:
    """Return memory that is allocated and freed within a call: a few pages, up to 100 kB."""
    return np.abs(rng.normal(0, rng.uniform(0, 100) * KB, count))


def warming(rng: np.random.Generator, at: Values) -> Values:
    """Return a start-up that is over within the first 15 % of the run."""
    length = rng.uniform(0.002, 0.04) * at[-1]
    return rng.uniform(0, 100) * MB * -np.expm1(-at / length)


def flat(rng: np.random.Generator, at: Values) -> Values:
    return np.zeros(len(at))


def started(rng: np.random.Generator, at: Values) -> Values:
    return warming(rng, at)


def noisy(rng: np.random.Generator, at: Values) -> Values:
    return np.abs(rng.normal(0, 10 ** rng.uniform(-1, 1.3) * MB, len(at)))


def saturating(rng: np.random.Generator, at: Values) -> Values:
    length = rng.uniform(0.05, 0.25) * at[-1]
    return 10 ** rng.uniform(0.5, 2.5) * MB * -np.expm1(-at / length)


def log_staircase(rng: np.random.Generator, at: Values) -> Values:
    ratio = rng.choice([1.25, 1.5, 2.0, 3.0])
    first = rng.uniform(1, 20)
    return 10 ** rng.uniform(0, 1.5) * MB * np.floor(np.log(np.maximum(at / first, 1)) / np.log(ratio))


def one_jump(rng: np.random.Generator, at: Values) -> Values:
    return 50 * MB * (at > rng.uniform(0.02, 0.98) * at[-1]) + started(rng, at)


def few_jumps(rng: np.random.Generator, at: Values) -> Values:
    times = rng.uniform(0, 1, int(rng.integers(2, 4))) * at[-1]
    return np.sum([10 ** rng.uniform(0, 1.5) * MB * (at > time) for time in times], axis=0)


def sawtooth(rng: np.random.Generator, at: Values) -> Values:
    period = rng.uniform(0.005, 0.4) * at[-1]
    return 10 ** rng.uniform(0, 2) * MB * np.mod(at / period + rng.uniform(), 1)


def oscillation(rng: np.random.Generator, at: Values) -> Values:
    """Memory that follows the density; less than a period of it rises as a leak does."""
    period = rng.uniform(0.1, 1) * at[-1]
    return 10 ** rng.uniform(0, 2) * MB * np.sin(2 * np.pi * (at / period + rng.uniform()))


def falling(rng: np.random.Generator, at: Values) -> Values:
    length = rng.uniform(0.2, 5) * at[-1]
    return 10 ** rng.uniform(0, 2) * MB * np.exp(-at / length)


def garbage(rng: np.random.Generator, at: Values) -> Values:
    """Cyclic garbage that a collection frees periodically, most of it."""
    period = rng.uniform(0.01, 0.1) * at[-1]
    amplitude = 10 ** rng.uniform(0, 1.5) * MB
    return amplitude * (
        np.mod(at / period, 1) + 0.1 * rng.uniform(0, 1, 200)[(at / period).astype(int) % 200]
    )


def random_walk(rng: np.random.Generator, at: Values) -> Values:
    steps = rng.normal(0, 10 ** rng.uniform(0, 2) * 100 * KB, len(at))
    return np.cumsum(steps)


HEALTHY: dict[str, Pattern] = {
    "flat": flat,
    "started": started,
    "noisy": noisy,
    "saturating": saturating,
    "log staircase": log_staircase,
    "one jump of 50 MB": one_jump,
    "two or three jumps": few_jumps,
    "sawtooth cache": sawtooth,
    "slow oscillation": oscillation,
    "falling": falling,
    "garbage": garbage,
}


def leak(rate: float, quantum: float) -> Pattern:
    """Return a leak of `rate` bytes per step that the process takes from the kernel `quantum` at a time."""

    def pattern(rng: np.random.Generator, at: Values) -> Values:
        lost = rate * at + rng.uniform(0, quantum)
        return np.floor(lost / quantum) * quantum + warming(rng, at)

    return pattern


def uneven_leak(rate: float) -> Pattern:
    """Return a leak that comes in bursts: some steps lose much, most nothing."""

    def pattern(rng: np.random.Generator, at: Values) -> Values:
        bursts = rng.exponential(1.0, len(at)) * (rng.uniform(0, 1, len(at)) < 0.2) * 5
        return np.cumsum(bursts * np.diff(at, prepend=0)) * rate + warming(rng, at)

    return pattern


def leak_under_sawtooth(rate: float) -> Pattern:
    """Return a leak below a cache that fills and empties at least 25 times."""

    def pattern(rng: np.random.Generator, at: Values) -> Values:
        period = rng.uniform(0.005, 0.04) * at[-1]
        return rate * at + rng.uniform(0.5, 5) * MB * np.mod(at / period, 1) + warming(rng, at)

    return pattern
