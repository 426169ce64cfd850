"""The growth test on fresh random patterns; the seed is in the output of a failure."""

from __future__ import annotations

import numpy as np
import pytest
from tests import memory_patterns as patterns

from instrumented_calc.analysis.statistics.growth import judge_growth
from instrumented_calc.analysis.statistics.theil_sen import theil_sen

KINDS = sorted(patterns.HEALTHY)


@pytest.fixture(scope="module")
def seed() -> int:
    found = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {found}")  # noqa: T201 - shown with a failure, to repeat it
    return found


def verdicts(seed: int, steps: int, pattern: patterns.Pattern, draws: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [judge_growth(*patterns.sampled(rng, steps, pattern)).verdict for _ in range(draws)]


def test_at_most_one_in_a_hundred_healthy_series_is_flagged(seed):
    drawn = [
        verdict
        for kind in KINDS
        for steps in (500, 2000, 10_000)
        for verdict in verdicts(seed, steps, patterns.HEALTHY[kind], 31)
    ]
    assert len(drawn) >= 1000
    assert drawn.count("flagged") <= 10


@pytest.mark.parametrize("quantum", [4096, 65_536, 262_144])
@pytest.mark.parametrize(("rate", "steps"), [(2_000, 2000), (2_000, 6000), (10_000, 500)])
def test_every_leak_is_found(seed, quantum, rate, steps):
    assert set(verdicts(seed, steps, patterns.leak(rate, quantum), 50)) == {"flagged"}


def test_a_leak_in_pieces_of_a_megabyte_is_never_called_clear(seed):
    assert "clear" not in verdicts(seed, 2000, patterns.leak(2_000, 2**20), 100)


def test_random_walks_are_rarely_flagged(seed):
    drawn = verdicts(seed, 2000, patterns.random_walk, 300)
    # 5 % and three standard deviations of that many draws
    assert drawn.count("flagged") <= 15 + 11


def test_a_small_leak_in_a_short_run_is_not_called_clear(seed):
    assert "clear" not in verdicts(seed, 500, patterns.leak(2_000, 4096), 50)
    assert "clear" not in verdicts(seed, 500, patterns.flat, 50)


@pytest.mark.parametrize("kind", ["falling", "saturating", "one jump of 50 MB", "sawtooth cache"])
def test_falling_or_saturating_memory_is_not_a_leak(seed, kind):
    assert "flagged" not in verdicts(seed, 5000, patterns.HEALTHY[kind], 50)


def test_the_rate_is_that_of_the_leak_and_is_in_its_interval():
    rng = np.random.default_rng(0)
    at = np.arange(0, 4000, 10.0)
    growth = judge_growth(at, 3_000 * at + rng.normal(0, 1e5, len(at)))
    assert growth.verdict == "flagged"
    assert growth.slope.value == pytest.approx(3_000, rel=0.03)
    assert growth.slope.low < 3_000 < growth.slope.high
    assert growth.grown == pytest.approx(3_000 * 3200 * 0.8, rel=0.05)


def test_too_few_samples_give_no_verdict():
    nothing = np.empty(0)
    assert judge_growth(nothing, nothing).verdict == "not enough evidence"
    at = np.linspace(0, 1e5, 8)
    assert judge_growth(at, 1e4 * at).verdict == "not enough evidence"


def test_the_slope_is_the_median_of_all_slopes_with_the_interval_of_sen():
    at, values = np.arange(20.0), 2.0 * np.arange(20.0)
    values[7] = 500.0
    slope = theil_sen(at, values)
    assert (slope.value, slope.low, slope.high) == (2.0, 2.0, 2.0)
    assert theil_sen(at[:2], values[:2]) is None
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        drawn = theil_sen(at, at + rng.standard_cauchy(20))
        covered += drawn.low <= 1 <= drawn.high
    assert covered >= 180


def test_a_staircase_that_is_flat_for_less_than_a_tread_may_still_climb():
    along = np.arange(0, 2000, 20.0)
    climbing = 2e8 + 2e6 * np.floor(along / 520)
    assert judge_growth(along, climbing).verdict != "clear"
    stopped = np.where(along < 900, 2e8 + 2e6 * np.floor(along / 220), 2e8 + 8e6)
    assert judge_growth(along, stopped).verdict == "clear"
