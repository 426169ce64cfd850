"""Figures as drawings: places in percent, bars only from zero, intervals where they are known."""

from __future__ import annotations

import math

import pytest

from instrumented_calc.reporting.figure import Curve, Figure, Point
from instrumented_calc.reporting.html.charts import chart_of


def test_bars_begin_at_zero_and_are_as_long_as_their_values():
    points = (
        Point("before", "median", 4.0, 3.0, 5.0),
        Point("after", "median", 2.0),
        Point("after", "p95", 1.0),
    )
    chart = chart_of(Figure("f", "Time", "quantity", "ms", points))
    assert chart.bars
    assert chart.zero == 0
    (name, (before, after)), (alone, (p95,)) = chart.groups
    assert (name, before.name, after.name) == ("median", "before", "after")
    assert (alone, p95.name) == ("", "p95")
    assert before.at == pytest.approx(2 * after.at) == pytest.approx(4 * p95.at)
    assert before.low < before.at < before.high < 100
    assert (after.low, after.high) == (None, None)
    assert (before.value, before.interval) == ("4.00", "[3.00, 5.00]")
    assert (after.value, after.interval) == ("2.00", "")
    assert after.colour == p95.colour != before.colour


def test_on_a_logarithmic_axis_there_are_points_and_plain_ticks():
    points = tuple(
        Point("ratio", name, value, value / 1.1, value * 1.1) for name, value in (("a", 0.01), ("b", 10.0))
    )
    chart = chart_of(Figure("f", "t", "x", "y", points, logarithmic=True, reference=1.0))
    assert not chart.bars
    assert [text for _, text in chart.ticks] == ["0.01", "0.1", "1", "10"]
    places = [place for place, _ in chart.ticks]
    assert places[1] - places[0] == pytest.approx(places[3] - places[2])
    assert chart.zero == pytest.approx(places[2])


def test_a_value_that_is_not_positive_makes_the_axis_linear_and_one_that_is_not_finite_is_left_out():
    points = (Point("s", "a", 0.0), Point("s", "b", 3.0), Point("s", "c", math.nan))
    chart = chart_of(Figure("f", "t", "x", "y", points, logarithmic=True))
    assert chart.bars
    assert [rows[0].name for _, rows in chart.groups] == ["a", "b"]
    assert chart_of(Figure("f", "t", "x", "y", points[2:])) is None


def test_a_power_law_is_a_straight_line_within_its_interval():
    points = tuple(Point("time", float(n), n**2.0, 0.9 * n**2, 1.1 * n**2) for n in (10, 100, 1000))
    curve = Curve("fit", tuple((n, n**2.0, 0.9 * n**2, 1.1 * n**2) for n in (10.0, 100.0, 1000.0)))
    chart = chart_of(
        Figure("f", "t", "x", "y", points, lines=True, logarithmic=True, log_along=True, curve=curve)
    )
    (series,) = chart.series
    assert series.line == ""  # the fit is the line
    first, middle, last = [(x, y) for x, y, *_ in series.points]
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2))
    assert first[1] > last[1]  # from the top
    assert all(high < y < low for _, y, low, high, _ in series.points)
    name, line, area = chart.fit
    assert (name, line.count("L"), area.count("L")) == ("fit", 2, 5)
    assert [text for _, text in chart.ticks_along] == ["10", "100", "1,000"]


def test_a_wide_interval_of_a_fit_ends_at_the_edge_and_leaves_the_points_their_room():
    points = tuple(Point("time", float(n), float(n)) for n in (4, 8, 16))
    curve = Curve("fit", tuple((float(n), float(n), n * 1e-9, n * 1e9) for n in (4, 16)))
    chart = chart_of(
        Figure("f", "t", "x", "y", points, lines=True, logarithmic=True, log_along=True, curve=curve)
    )
    heights = [y for _, y, *_ in chart.series[0].points]
    assert max(heights) - min(heights) > 80
    assert " 0.00L" in chart.fit[2]
    assert " 100.00L" in chart.fit[2]


def test_one_point_is_drawn():
    chart = chart_of(Figure("f", "t", "x", "y", (Point("s", 64.0, 2.0),), lines=True, logarithmic=True))
    ((x, y, low, high, words),) = chart.series[0].points
    assert (x, y) == pytest.approx((50, 50))
    assert (low, high, words) == (None, None, "64: 2.00")
