"""One formatter for each quantity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc import quantities


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9.914, "9.91"),
        (11_200, "11,200"),
        (0.0123, "0.0123"),
        (0, "0"),
        (89.3, "89.3"),
        (-4.25, "-4.25"),
        (9.999, "10.0"),
        (0.09996, "0.100"),
        (999.7, "1,000"),
        (1.4e11, "140,000,000,000"),
        (1234.5, "1,234"),
        (1.4e300, "1.40 x 10^300"),
        (3e-12, "3.00 x 10^-12"),
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


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.999, "100 %"),
        (1.0, "100 %"),
        (0.0996, "10 %"),
        (0.0321, "3.2 %"),
        (0.00312, "0.31 %"),
        (0.00996, "1.0 %"),
        (1e-7, "under 0.01 %"),
        (12.6, "1,260 %"),
        (-0.032, "-3.2 %"),
        (float("nan"), "an unknown share"),
    ],
)
def test_percentages_in_sentences_have_two_figures_and_no_powers_of_ten(share, text):
    assert quantities.percentage(share) == text


def test_a_change_has_a_sign():
    assert quantities.percentage(0.123, signed=True) == "+12 %"
    assert quantities.percentage(-0.123, signed=True) == "-12 %"


def value_of(text):
    """Return the number that a text means."""
    digits, _, power = text.replace(",", "").partition(" x 10^")
    return float(digits) * 10.0 ** int(power or 0)


@given(st.floats(-1e300, 1e300, allow_subnormal=False))
def test_a_number_reads_back_to_half_a_percent_and_never_as_an_exponent(value):
    text = quantities.figures(value)
    assert "e" not in text
    assert value_of(text) == pytest.approx(value, rel=0.006)


@given(st.floats(-1e12, 1e12))
def test_a_percentage_reads_back_and_is_never_an_exponent(share):
    text = quantities.percentage(share)
    assert "e" not in text.replace("under", "")
    if text.startswith("under"):
        assert 0 < abs(share) < 1e-4
    else:
        assert value_of(text.removesuffix(" %")) == pytest.approx(100 * share, rel=0.06, abs=0.0051)  # 0.03 %
