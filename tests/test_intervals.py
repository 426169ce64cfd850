"""Time that overlapping intervals cover."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.intervals import covered_ns

TIMES = st.integers(-50, 50)
INTERVALS = st.lists(st.tuples(TIMES, st.integers(0, 30)).map(lambda each: (each[0], sum(each))), max_size=8)


@given(INTERVALS)
def test_each_nanosecond_counts_once(intervals):
    assert covered_ns(intervals) == len({time for start, end in intervals for time in range(start, end)})
