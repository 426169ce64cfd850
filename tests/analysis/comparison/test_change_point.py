"""A change of level in a series is found where it is, and not in noise."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.comparison.change_point import FEWEST_VALUES, change_point

SERIES = 40


def noise(seed: int, size: int = 30) -> np.ndarray:
    return np.exp(0.02 * np.random.default_rng(seed).normal(size=size))


def test_a_change_is_found_where_it_is_with_its_size():
    values = noise(1)
    values[18:] *= 1.1
    found = change_point(values)
    assert abs(found.place - 18) <= 1
    assert found.ratio == pytest.approx(1.1, rel=0.02)


def test_noise_has_no_change():
    assert sum(change_point(noise(seed)) is not None for seed in range(SERIES)) <= 3


def test_a_short_or_constant_series_has_no_change():
    assert change_point(noise(1, FEWEST_VALUES - 1)) is None
    assert change_point([1.0] * 20) is None


def test_an_outlier_is_no_change():
    values = noise(2)
    values[10] *= 1.3
    assert change_point(values) is None
