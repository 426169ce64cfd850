"""The least-squares line, and that every user of it gives the numbers of numpy's own fit."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.statistics.line import fit_line
from instrumented_calc.analysis.statistics.student_t import line_with_interval, slope


@pytest.mark.parametrize("size", [2, 3, 50, 2000])
def test_the_line_is_the_one_of_polyfit(size):
    random = np.random.default_rng(size)
    along = np.sort(random.uniform(0, 1e6, size))
    values = 1e9 + 3e3 * along + random.normal(0, 1e7, size)
    rise, at_zero = np.polyfit(along, values, 1)
    line = fit_line(along, values)
    assert line.slope == pytest.approx(rise, rel=1e-9)
    assert line.at(np.array([0.0])) == pytest.approx([at_zero], rel=1e-9)
    assert line.at(along) == pytest.approx(np.polyval([rise, at_zero], along), rel=1e-9)


def test_equal_abscissas_have_no_line():
    assert fit_line(np.full(4, 7.0), np.arange(4.0)) is None
    assert fit_line(np.array([7.0]), np.array([1.0])) is None


def test_the_interval_of_a_slope_is_that_of_the_covariance():
    along = np.arange(12.0)
    values = 2 * along + np.cos(along)
    (rise, at_zero), covariance = np.polyfit(along, values, 1, cov=True)
    found, intercept = slope(along, values)
    assert (found.value, intercept) == pytest.approx((rise, at_zero), rel=1e-12)
    assert found.high - found.value == pytest.approx(2.228139 * covariance[0, 0] ** 0.5, rel=1e-6)


def test_the_interval_of_the_line_is_that_of_the_covariance():
    along = np.arange(12.0)
    values = 2 * along + np.cos(along)
    coefficients, covariance = np.polyfit(along, values, 1, cov=True)
    at = np.array([-3.0, 5.5, 20.0])
    rows = np.stack([at, np.ones(3)], axis=1)
    errors = np.sqrt(np.einsum("ni,ij,nj->n", rows, covariance, rows))
    found = line_with_interval(along, values, at)
    assert [each.value for each in found] == pytest.approx(np.polyval(coefficients, at))
    assert [each.high - each.value for each in found] == pytest.approx(2.228139 * errors, rel=1e-6)
    assert line_with_interval(along[:2], values[:2], at) == []
