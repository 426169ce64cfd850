"""Where the warm-up ends."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.timing.warmup import warmup_calls


def healthy(seed: int, calls: int, cv: float) -> np.ndarray:
    spread = np.sqrt(np.log(1 + cv * cv))
    drawn = np.random.default_rng(seed).normal(0, spread, calls)
    return (1e6 * np.exp(drawn)).astype(np.int64)


@pytest.mark.parametrize("cv", [0.02, 0.08, 0.15, 0.25])
@pytest.mark.parametrize("calls", [20, 100, 1000, 10_000])
def test_healthy_runs_have_no_warm_up(calls, cv):
    found = [warmup_calls(healthy(seed, calls, cv)) for seed in range(40)]
    assert np.count_nonzero(found) <= 2


@pytest.mark.parametrize(("slow", "factor"), [(1, 10), (3, 5), (12, 5), (12, 3)])
@pytest.mark.parametrize("cv", [0.02, 0.08, 0.15])
def test_slow_first_calls_are_found(slow, factor, cv):
    found = []
    for seed in range(20):
        wall = healthy(seed, 500, cv)
        wall[:slow] *= factor
        found.append(warmup_calls(wall))
    assert sum(each == slow for each in found) >= 19


def test_a_slowdown_beyond_the_first_fifth_is_not_a_warm_up():
    wall = healthy(1, 100, 0.05)
    wall[50:60] *= 10
    assert warmup_calls(wall) == 0


def test_a_run_that_gets_slower_has_no_warm_up():
    wall = healthy(1, 200, 0.05)
    wall[10:] *= 3
    assert warmup_calls(wall) == 0


@pytest.mark.parametrize("calls", range(12))
def test_few_calls_are_not_enough_to_judge(calls):
    assert warmup_calls(healthy(1, calls, 0.05)) == 0
