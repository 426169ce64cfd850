"""One formatter for each quantity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.reporting import quantities


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.914, "9.91"),
        (11_200, "11,200"),
        (0.0123, "0.0123"),
        (0, "0"),
        (89.3, "89.3"),
        (-4.25, "-4.25"),
    ],
)
def test_numbers_have_three_figures(value, text):
    assert quantities.figures(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(950, "950 ns"), (9_910_000, "9.91 ms"), (1.5e9, "1.50 s"), (None, "not measured")],
)
def test_durations_choose_their_unit(value, text):
    assert quantities.duration(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1120, "18 min 40 s"), (3 * 3600 + 60, "3 h 1 min"), (59.99, "60.0 s"), (90_000, "1 d 1 h")],
)
def test_long_times_read_in_common_units(seconds, text):
    assert quantities.elapsed(seconds * 1e9) == text


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=12).filter(any))
def test_printed_shares_add_up_to_a_hundred(parts):
    shares = quantities.percents([part / sum(parts) for part in parts])
    assert sum(round(10 * float(share)) for share in shares) == 1000
