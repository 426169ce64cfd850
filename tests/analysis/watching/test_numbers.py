"""Speed, forecast, lines and memory of a run in progress, from exact series."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.analysis.watching.pace import forecast, newest_stretch, ns_per_day, pace_of
from instrumented_calc.analysis.watching.recent import binned
from instrumented_calc.analysis.watching.resistant_line import resistant_line
from instrumented_calc.analysis.watching.series import MOST, Series, TimePoint

S = 10**9


def steady(steps: int, seconds_per_step: float = 0.5) -> list[TimePoint]:
    return [TimePoint(n * seconds_per_step * S, n) for n in range(steps)]


def test_a_steady_run_has_one_speed():
    pace = pace_of(steady(400))
    assert (pace.now, pace.mean) == (pytest.approx(2.0), pytest.approx(2.0))
    assert (pace.slowest, pace.fastest) == (pytest.approx(2.0), pytest.approx(2.0))
    assert ns_per_day(2.0, 1.0) == pytest.approx(0.1728)


def test_a_run_that_slows_down_is_slower_now_than_on_average():
    points = [TimePoint((n + n * n / 200) * S, n) for n in range(400)]
    pace = pace_of(points)
    assert pace.now < 0.7 * pace.mean
    assert pace.slowest <= pace.now <= pace.fastest
    expected = forecast(pace, 399, 1000, None)
    assert expected.earliest < expected.seconds <= expected.latest


def test_warm_up_does_not_count_in_the_forecast():
    warm = [TimePoint(0, 0), TimePoint(100 * S, 1)]
    points = warm + [TimePoint((100 + n) * S, n) for n in range(2, 400)]
    pace = pace_of(points)
    assert pace.slowest == pytest.approx(1.0, rel=0.1)
    assert pace.mean < 0.9


@pytest.mark.parametrize("points", [[], steady(2), [TimePoint(n * S, 5) for n in range(10)]])
def test_without_progress_there_is_no_speed(points):
    assert pace_of(points) is None


def test_each_driver_counts_from_its_own_start():
    points = [*steady(50), *(TimePoint((100 + n) * S, n) for n in range(7))]
    assert newest_stretch(points) == points[50:]
    assert newest_stretch([]) == []


@pytest.mark.parametrize(
    ("job_left", "fits", "reached"),
    [(None, None, None), (1000.0, True, None), (100.0, False, 399 + 200), (301.0, True, None)],
)
def test_whether_a_run_fits_its_job(job_left, fits, reached):
    expected = forecast(pace_of(steady(400)), 399, 1000, job_left)
    assert expected.seconds == pytest.approx(300.5)
    assert (expected.fits, expected.step_at_limit) == (fits, reached)


def test_a_run_may_or_may_not_fit():
    points = [TimePoint((n + n * n / 200) * S, n) for n in range(400)]
    middle = forecast(pace_of(points), 399, 1000, None)
    expected = forecast(pace_of(points), 399, 1000, (middle.earliest + middle.latest) / 2)
    assert expected.fits is None
    assert 399 < expected.step_at_limit < 1000


def test_a_run_beyond_its_last_step_has_no_forecast():
    assert forecast(pace_of(steady(400)), 399, 399, None) is None


def test_a_line_is_not_moved_by_outliers():
    points = [TimePoint(n, 3.0 * n) for n in range(30)]
    points[7] = TimePoint(7, 1e9)
    line = resistant_line(points)
    assert line.slope == pytest.approx(3.0)
    assert line.straight


@pytest.mark.parametrize(
    "shape", [lambda n: 100 * (1 - math.exp(-n / 5)), lambda n: math.exp(n / 3), lambda _: 1.0]
)
def test_a_curve_is_not_straight(shape):
    assert not resistant_line([TimePoint(n, shape(n)) for n in range(40)]).straight


@given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(-1e300, 1e300)), max_size=60))
def test_a_line_through_anything(pairs):
    line = resistant_line(sorted(TimePoint(*pair) for pair in pairs))
    assert line is None or isinstance(line.straight, bool)


def test_a_series_keeps_its_ends_and_its_shape():
    series, order = Series(), list(range(10_000))
    random.Random(1).shuffle(order)  # noqa: S311 - no secret
    for n in order:
        series.add(n, 2.0 * n)
    points = series.points()
    assert len(points) <= 2 * MOST
    assert (points[0].at, points[-1].at) == (0, 9999)
    assert all(each.value == 2.0 * each.at for each in points)
    assert max(b.at - a.at for a, b in pairwise(points)) < 100


def test_bins_cover_the_run_evenly():
    line = binned([TimePoint(n, n) for n in range(400)])
    assert len(line) == 40
    assert line[0] == pytest.approx(4.5)
    assert line[-1] == pytest.approx(394.5)
    assert binned([]) == ()
    assert binned([TimePoint(3, 1.0)]) == (1.0,)
