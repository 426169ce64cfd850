"""Round numbers along an axis, written plainly."""

from __future__ import annotations

from itertools import pairwise

import pytest

from instrumented_calc.reporting.ticks import linear_ticks, log_ticks, tick_text


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0, 1.06, 4, ["0", "0.5", "1"]),
        (0, 23_000, 4, ["0", "10,000", "20,000"]),
        (-0.3, 0.7, 5, ["-0.2", "0", "0.2", "0.4", "0.6"]),
        (0, 3e-4, 3, ["0", "0.0001", "0.0002", "0.0003"]),
    ],
)
def test_linear_ticks_are_multiples_of_1_2_or_5(low, high, most, texts):
    assert [tick_text(each) for each in linear_ticks(low, high, most)] == texts


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0.9, 1100, 6, ["1", "10", "100", "1,000"]),
        (0.8, 1.3, 4, ["1"]),
        (30, 520, 6, ["30", "50", "100", "200", "400"]),
        (0.002, 0.02, 8, ["0.002", "0.003", "0.004", "0.005", "0.007", "0.01", "0.015", "0.02"]),
    ],
)
def test_logarithmic_ticks_are_plain_numbers(low, high, most, texts):
    assert [tick_text(each) for each in log_ticks(low, high, most)] == texts


@pytest.mark.parametrize("high", [1.1, 2, 7, 60, 4e3, 9e7, 1e12])
@pytest.mark.parametrize("ticks", [linear_ticks, log_ticks])
def test_ticks_ascend_within_their_limits(ticks, high):
    for most in (1, 2, 5):
        found = ticks(1.0, high, most)
        assert len(found) <= most + 1
        assert all(before < after for before, after in pairwise(found))
        room = (high - 1) * 1e-3
        assert all(1 - room <= each <= high + room for each in found)
