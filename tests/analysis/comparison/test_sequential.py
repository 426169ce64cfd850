"""Decisions on thousands of synthetic gates: unchanged code stays green, and a slow-down is found."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from instrumented_calc.analysis.comparison.comparison import compare
from instrumented_calc.analysis.comparison.decision import ComparisonOutcome, outcome_of
from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
from instrumented_calc.analysis.comparison.sequential import ALPHA, MORE, judge_gate, planned_looks
from instrumented_calc.analysis.comparison.speed_limits import max_slowdown

GATES = 1_000
REPLICATES = 5
CALLS = 200
MOST = 20
WITHIN, BETWEEN = 0.03, 0.15
STRICT = max_slowdown("0%")
LIMIT = max_slowdown("5%")


def autoregressive(rng, shape: tuple[int, ...], memory: float) -> np.ndarray:
    """Return normal values whose neighbours along the last axis are correlated."""
    noise = rng.normal(size=shape) * np.sqrt(1 - memory**2)
    noise[..., 0] /= np.sqrt(1 - memory**2)
    for place in range(1, shape[-1]):
        noise[..., place] += memory * noise[..., place - 1]
    return noise


def levels(rng, kind: str, runs: int, scatter: float) -> np.ndarray:
    """Return the logarithm of the level of each run in the order of time, shape (gates, runs)."""
    shape = (GATES, runs)
    if kind == "bimodal":
        return scatter * rng.choice([-1.0, 1.0], size=shape)
    if kind == "autocorrelated":
        return scatter * autoregressive(rng, shape, 0.7)
    return scatter * rng.normal(size=shape)


def medians(rng, kind: str, runs: int, scatter: float) -> np.ndarray:
    """Return the logarithm of the median of each run, of calls that are correlated if the levels are."""
    memory = 0.9 if kind == "autocorrelated" else 0.0
    # A median of correlated calls scatters like one of fewer independent calls.
    error = WITHIN * 1.25 * np.sqrt((1 + memory) / (1 - memory) / CALLS)
    return levels(rng, kind, runs, scatter) + error * rng.normal(size=(GATES, runs))


def run_of(log_median: float) -> MeasuredRun:
    median = 1e6 * np.exp(log_median)
    return MeasuredRun("run.jsonl", CALLS, (median,) * 3, np.full(1, median))


def compared(rows: np.ndarray) -> Counter:
    """Compare the runs of each row, alternately before and after, with a limit of no slow-down at all."""
    found = Counter()
    for row in rows:
        runs = [run_of(each) for each in row]
        found[outcome_of(compare(runs[::2], runs[1::2]), [STRICT])] += 1
    return found


def gated(rows: np.ndarray, limit=LIMIT) -> Counter:
    """Run a gate on the pairs of each row, in random order within pairs."""
    rng = np.random.default_rng(7)
    signs = rng.choice([-1.0, 1.0], size=(len(rows), rows.shape[1] // 2))
    ratios = signs * (rows[:, 1::2] - rows[:, ::2])
    return Counter(judge_gate(each.tolist(), limit, MOST, ended=True).state for each in ratios)


KINDS = ("normal", "autocorrelated", "bimodal")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_replicates_are_red_in_at_most_five_percent(kind):
    found = compared(medians(np.random.default_rng(1), kind, 2 * REPLICATES, BETWEEN))
    assert found[ComparisonOutcome.slower] <= 0.05 * GATES


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_single_pairs_are_never_red(kind):
    assert compared(medians(np.random.default_rng(2), kind, 2, BETWEEN)) == {
        ComparisonOutcome.not_sure: GATES
    }


@pytest.mark.slow
def test_ten_percent_are_found_with_five_replicates():
    rows = medians(np.random.default_rng(3), "normal", 2 * REPLICATES, 0.02)
    rows[:, 1::2] += np.log(1.1)
    assert compared(rows)[ComparisonOutcome.slower] >= 0.95 * GATES


@pytest.mark.parametrize("kind", KINDS)
def test_gates_of_unchanged_code_are_red_in_less_than_one_percent(kind):
    rows = medians(np.random.default_rng(4), kind, 4 * MOST, BETWEEN)
    assert gated(rows, STRICT)["broken"] <= 0.01 * GATES


def test_gates_of_unchanged_code_on_a_calm_machine_are_green():
    assert gated(medians(np.random.default_rng(5), "normal", 4 * MOST, 0.02))["met"] >= 0.95 * GATES


def test_gates_find_ten_percent_where_five_are_allowed():
    rows = medians(np.random.default_rng(6), "normal", 4 * MOST, 0.02)
    rng = np.random.default_rng(7)
    signs = rng.choice([-1.0, 1.0], size=(GATES, 2 * MOST))
    rows[:, 1::2] += signs * np.log(1.1)  # `gated` turns the sign of some pairs
    assert gated(rows)["broken"] >= 0.95 * GATES


@pytest.mark.parametrize("most", [3, 4, 5, 8, 20, 50])
def test_the_looks_are_few_and_end_with_the_most_pairs(most):
    looks = planned_looks(most)
    assert looks[-1] == most
    assert list(looks) == sorted(set(looks))
    assert len(looks) <= 2 * np.log2(most)


def test_pairs_are_added_until_a_look_decides():
    steps = [0.2, 0.23, 0.17, 0.2] * 2
    found = [judge_gate(steps[:n], LIMIT, MOST) for n in range(len(steps) + 1)]
    assert [each.state for each in found] == [MORE] * 8 + ["broken"]
    assert [each.first is not None for each in found] == [False] * 4 + [True] * 5
    assert (found[-1].first.state, found[-1].first.pairs, found[-1].pairs) == ("broken", 4, 4)


def test_an_exceeded_limit_that_is_not_confirmed_is_not_sure():
    calm = [0.001, -0.001, 0.002]
    steps = [0.2, 0.21, 0.19]
    found = judge_gate(steps + calm, LIMIT, MOST)
    assert found.state == "not sure"
    assert found.first.state == "broken"
    assert judge_gate(steps, LIMIT, MOST, ended=True).state == "not sure"


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_when_the_time_is_up_with_fewer_than_three_pairs_nothing_is_decided(pairs):
    found = judge_gate([0.5] * pairs, LIMIT, MOST, ended=True)
    assert (found.state, found.interval) == ("not sure", None)


def test_when_the_time_is_up_the_last_look_has_all_error_that_is_left():
    steps = [0.02, -0.02, 0.03, -0.03]
    early = judge_gate(steps, LIMIT, 4).interval
    assert judge_gate(steps, LIMIT, MOST, ended=True).interval.high < early.high * 1.02
    shares = [pairs / sum(planned_looks(MOST)) for pairs in planned_looks(MOST)]
    assert ALPHA * sum(shares) == pytest.approx(ALPHA)
