"""Lines of blocks: shape, scale and plain fallback."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.reporting.sparkline import ASCII, BLOCKS, sparkline


def test_a_ramp_uses_all_marks():
    assert sparkline(range(1, 9), 8) == BLOCKS
    assert sparkline(range(1, 9), 8, ascii_only=True) == ASCII


def test_noise_is_flat():
    assert set(sparkline([100, 101, 99, 102], 80)) == {BLOCKS[0]}


def test_a_single_slow_value_survives_narrowing():
    line = sparkline([1.0] * 500 + [9.0] + [1.0] * 500, 10)
    assert len(line) == 10
    assert line.count(BLOCKS[-1]) == 1


def test_unknown_values_are_gaps_and_infinite_ones_are_marked():
    assert sparkline([1.0, None, math.nan, 2.0], 10) == f"{BLOCKS[0]} !{BLOCKS[-1]}"
    assert sparkline([None, None], 10) == ""
    assert sparkline([], 10) == ""


@given(st.lists(st.none() | st.floats(), max_size=100), st.integers(1, 50), st.booleans())
def test_any_series_is_one_printable_line(values, width, ascii_only):
    line = sparkline(values, width, ascii_only=ascii_only)
    assert len(line) <= width
    assert line.isprintable()
    assert not ascii_only or line.isascii()


@pytest.mark.parametrize("huge", [1e308, -1e308])
def test_values_that_overflow(huge):
    assert len(sparkline([huge, -huge, 0.0], 9)) == 3
