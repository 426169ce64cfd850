"""Periods of long values in series that are made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrumented_calc.analysis.statistics.period import find_period


def series(rng, length, number=600, factor=4.0, start=0):
    values = rng.lognormal(0, 0.1, number)
    values[start::length] *= factor
    return values


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(3, 80), st.floats(3, 50), st.integers(0, 500))
def test_any_period_is_found_exactly_wherever_it_starts(seed, length, factor, start):
    rng = np.random.default_rng(seed)
    values = series(rng, length, 600 + start, factor, start % length)
    found = find_period(np.arange(len(values)), values, float(np.median(values)))
    assert found is not None
    assert found.length == length
    assert set(found.hits.tolist()) == set(range(start % length, len(values), length))
    expected = values[found.hits].sum() - len(found.hits) * np.median(values)
    assert found.excess == pytest.approx(expected)


def test_random_long_values_between_hide_no_period():
    rng = np.random.default_rng(3)
    values = series(rng, 40, 2000, 5.0)
    values[rng.integers(0, 2000, 30)] *= 6
    assert find_period(np.arange(2000), values, float(np.median(values))).length == 40


@pytest.mark.parametrize("seed", range(5))
def test_a_period_is_found_among_more_long_values_at_random(seed):
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 0.3, 800)
    disturbed = rng.random(800) < 0.15
    values[disturbed] += rng.exponential(6, disturbed.sum())
    values[seed::50] += 12
    found = find_period(np.arange(800), values, float(np.median(values)))
    assert found.length == 50
    assert set(found.hits.tolist()) == set(range(seed, 800, 50))


def test_many_long_values_at_random_and_a_wave_have_no_exact_period():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = rng.lognormal(0, 0.3, 1000)
        disturbed = rng.random(1000) < 0.15
        values[disturbed] += rng.exponential(8, disturbed.sum())
        assert find_period(np.arange(1000), values, float(np.median(values))) is None
    wave = np.where(np.arange(1000) % 60 < 9, 4.0, 1.0) * rng.lognormal(0, 0.1, 1000)
    found = find_period(np.arange(1000), wave, float(np.median(wave)))
    assert found is None


def test_missing_values_do_not_shift_the_period():
    rng = np.random.default_rng(4)
    values, places = series(rng, 25, 1000), np.arange(1000)
    kept = np.sort(rng.choice(1000, 900, replace=False))
    assert find_period(places[kept], values[kept], float(np.median(values))).length == 25


@pytest.mark.parametrize("kind", ["random", "walk", "even", "tail", "burst"])
def test_what_has_no_period_has_none(kind):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.lognormal(0, 0.2, 1000)
        if kind == "random":
            values[rng.random(1000) < 0.03] *= 10
        elif kind == "walk":
            values = 1 + np.abs(np.cumsum(rng.normal(0, 0.05, 1000)))
        elif kind == "even":
            values = np.ones(1000)
        elif kind == "tail":
            values = rng.lognormal(0, 1, 1000)
        else:
            values[400:420] *= 10
        assert find_period(np.arange(1000), values, float(np.median(values))) is None


def test_a_usual_value_of_nothing_has_no_period():
    assert find_period(np.arange(100), np.zeros(100), 0.0) is None
