"""Whether a remedy helps: search and confirmation."""

import math

import numpy as np
import pytest

from instrumented_calc.analysis.trial.gain import (
    HELPS,
    LARGE,
    LOOKS,
    MORE,
    NO_GAIN,
    NOT_SURE,
    SEARCH_LIMITS,
    judge_gain,
    survives,
)


def rounds(speedup: float, scatter: float, number: int, seed: int = 0) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, scatter, number)
    return list(-math.log(speedup) + noise)


def test_a_clear_gain_helps_at_the_first_look_and_its_interval_has_the_truth():
    verdict, gain = judge_gain(rounds(1.5, 0.02, LOOKS[0]), remedies=3, ended=False)
    assert verdict == HELPS
    assert gain.low < 1.5 < gain.high


@pytest.mark.parametrize(
    ("speedup", "ended", "verdict"), [(1.0, False, NO_GAIN), (0.8, False, NO_GAIN), (1.01, False, NO_GAIN)]
)
def test_what_hardly_changes_the_time_is_no_gain(speedup, ended, verdict):
    assert judge_gain(rounds(speedup, 0.0005, LOOKS[0]), remedies=1, ended=ended)[0] == verdict


def test_scatter_asks_for_more_rounds_and_ends_unsure():
    log_ratios = rounds(1.05, 0.2, LOOKS[-1], seed=3)
    assert judge_gain(log_ratios[: LOOKS[0]], remedies=2, ended=False)[0] == MORE
    assert judge_gain(log_ratios[: LOOKS[0] + 1], remedies=2, ended=False)[0] == MORE
    assert judge_gain(log_ratios, remedies=2, ended=False)[0] == NOT_SURE
    assert judge_gain(log_ratios[:2], remedies=2, ended=True) == (NOT_SURE, None)


def test_rounds_end_where_they_would_hardly_show_a_gain():
    slower = [0.03, -0.02, 0.03, -0.02]
    verdict, gain = judge_gain(slower, remedies=4, ended=False)
    assert gain.value < 1 < gain.high
    assert verdict == NO_GAIN
    hardly_faster = [0.06, -0.1, 0.06, -0.1, 0.06, -0.1]
    assert judge_gain(hardly_faster[: LOOKS[0]], remedies=4, ended=False)[0] == MORE
    verdict, gain = judge_gain(hardly_faster, remedies=4, ended=False)
    assert 1 < gain.value < 1.03 < gain.high
    assert verdict == NOT_SURE


def test_a_large_gain_that_the_interval_still_holds_is_not_denied():
    scattered = [0.5, -0.4, 0.5, -0.4, 0.5, -0.4]
    assert judge_gain(scattered[: LOOKS[0]], remedies=1, ended=False)[0] == MORE
    verdict, gain = judge_gain(scattered, remedies=1, ended=False)
    assert gain.value < 1
    assert gain.high > LARGE
    assert verdict == NOT_SURE


def test_the_search_drops_what_is_slower_and_keeps_what_seems_faster():
    assert survives([math.log(1.5)])
    assert not survives([math.log(2.1)])
    assert not survives([math.log(1.5), math.log(1.1)])
    assert survives([math.log(0.9)] * len(SEARCH_LIMITS))
    assert not survives([0.0] * len(SEARCH_LIMITS))


def test_unchanged_programs_are_rarely_said_to_be_faster():
    """Six remedies that do nothing, on machines that scatter by 10 %: at most 5 % of trials name one."""
    rng = np.random.default_rng(1)
    false = 0
    for _ in range(300):
        search = rng.normal(0, 0.1, (6, len(SEARCH_LIMITS)))
        left = [row for row in search if all(survives(list(row[: n + 1])) for n in range(len(row)))]
        data = rng.normal(0, 0.1, (len(left), LOOKS[-1]))
        looks = [[judge_gain(list(row[:look]), len(left), ended=False)[0] for look in LOOKS] for row in data]
        false += any(HELPS in each for each in looks)
    assert false <= 0.05 * 300
