"""What decides between two groups of runs: replicates, their order in time, forces, precision."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from instrumented_calc.analysis.comparison.comparison import compare
from instrumented_calc.analysis.comparison.decision import (
    ComparisonOutcome,
    Unsure,
    exit_code,
    one_side_first,
    outcome_of,
)
from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
from instrumented_calc.analysis.comparison.noise import Noise, noise_of
from instrumented_calc.analysis.comparison.speed_limits import max_slowdown
from instrumented_calc.analysis.comparison.tolerances import (
    OF_DOUBLE,
    OF_REDUCED,
    OF_SINGLE,
    tolerance_of,
)
from instrumented_calc.journal.first_energies import Forces, Frame
from instrumented_calc.reporting.comparison import build_comparison, verdict_lines
from instrumented_calc.reporting.forms.text import render_text

MS = 1e6
LIMIT = max_slowdown("5%")


def run_of(level: float, started: str = "", frames: tuple[Frame, ...] = (), **evidence) -> MeasuredRun:
    times = MS * level * (1 + 0.001 * np.arange(50))
    quantiles = tuple(np.quantile(times, (0.5, 0.95, 0.99)).tolist())
    return MeasuredRun("r", 50, quantiles, times, frames=frames, started=started, evidence=evidence)


def runs_of(*levels: float) -> list[MeasuredRun]:
    return [run_of(each) for each in levels]


def frames_of(*forces: Forces | None) -> tuple[Frame, ...]:
    return tuple(Frame((0, 0, n, 0), n, 4, 1.0, n, each) for n, each in enumerate(forces))


EQUAL = runs_of(1.0, 1.01, 0.99)


@pytest.mark.parametrize(
    ("after", "outcome", "code"),
    [
        (runs_of(1.0, 1.01, 0.99), ComparisonOutcome.within, 0),
        (runs_of(1.2, 1.21, 1.19), ComparisonOutcome.slower, 1),
        (runs_of(0.9, 1.2, 1.05), ComparisonOutcome.not_sure, 3),
        ([], ComparisonOutcome.not_sure, 3),
    ],
)
def test_the_outcome_is_the_exit_code(after, outcome, code):
    found = compare(EQUAL if after else EQUAL[:1], after or runs_of(9.0))
    assert outcome_of(found, [LIMIT]) is outcome
    assert exit_code(outcome, Unsure.tell) == code


def test_without_a_limit_only_single_runs_are_not_sure():
    assert outcome_of(compare(EQUAL, runs_of(2.0, 2.1)), []) is ComparisonOutcome.within
    assert outcome_of(compare(EQUAL[:1], EQUAL[:1]), []) is ComparisonOutcome.not_sure
    assert (
        outcome_of(compare(EQUAL[:1], EQUAL[:1], single=True), []) is ComparisonOutcome.not_sure
    )  # 50 calls


@pytest.mark.parametrize("outcome", ComparisonOutcome)
def test_only_an_unsure_outcome_can_be_turned_into_another(outcome):
    codes = [exit_code(outcome, each) for each in (Unsure.tell, Unsure.fail, Unsure.ignore)]
    assert codes == ([3, 1, 0] if outcome is ComparisonOutcome.not_sure else [outcome.value] * 3)


@pytest.mark.parametrize(
    ("before", "after", "warns"),
    [("12", "34", True), ("34", "12", True), ("13", "24", False), ("14", "23", False), ("1", "2", False)],
)
def test_runs_of_one_side_after_all_of_the_other_are_warned_about(before, after, warns):
    sides = [[run_of(1, f"2026-01-0{day}") for day in side] for side in (before, after)]
    assert one_side_first(*sides) is warns
    assert any("alternate them" in line for line in verdict_lines(compare(*sides))) is warns
    assert not one_side_first(*[[replace(run, started="") for run in side] for side in sides])


def test_the_noise_floor_is_half_the_interval_of_that_many_runs():
    noise = Noise(5, MS, 0.02)
    assert noise.floor(5) == pytest.approx(math.expm1(2.306 * 0.02 * math.sqrt(2 / 5)), rel=1e-3)
    needed = noise.runs_needed(0.01)
    assert noise.floor(needed) <= 0.01 < noise.floor(needed - 1)
    assert Noise(5, MS, 2.0).runs_needed(0.01) is None
    assert noise_of(runs_of(1.0)) is None


def test_equal_replicates_have_no_noise():
    noise = noise_of(runs_of(1.0, 1.0, 1.0))
    assert (noise.floor(3), noise.runs_needed(0.001)) == (0, 2)


def test_other_forces_with_equal_energies_forbid_a_verdict():
    first, second = Forces(2.0, 1.5, 0.3), Forces(2.0, 1.5, -0.3)  # all signs turned
    runs = [run_of(1, frames=frames_of(first, each)) for each in (first, second)]
    found = compare(runs[:1], runs[1:], single=True)
    assert [each.rule for each in found.obstacles] == ["values-differ"]
    assert "forces differ at call 1 (after 1 step): 0.3 eV/A" in found.obstacles[0].text
    assert "DIFFER" in render_text(build_comparison(found))
    assert compare(runs[:1], runs[1:], allowed=["values"]).comparable
    assert compare(runs[:1], runs[1:], force_tolerance_ev_a=0.4).comparable


def test_forces_are_compared_where_all_runs_describe_them():
    described = Forces(2.0, 1.5, 0.3)
    runs = [run_of(1, frames=frames_of(*each)) for each in ((described, None), (described, described))]
    found = compare(runs[:1], runs[1:])
    assert (found.forces.verdict, found.forces.frames, found.forces.largest_ev_a) == ("equal", 1, 0)
    bare = [run_of(1, frames=frames_of(None))] * 2
    assert compare(bare[:1], bare[1:]).forces.verdict == "not checked"


def test_forces_of_an_older_journal_are_compared_by_their_size():
    old, new = Forces(2.0, 1.5, None), Forces(2.0, 1.5, 0.3)
    runs = [run_of(1, frames=frames_of(each)) for each in (old, new)]
    assert compare(runs[:1], runs[1:]).forces.verdict == "equal"


def test_large_forces_may_differ_by_their_relative_error():
    runs = [run_of(1, frames=frames_of(Forces(200.0, 150.0 + each, 0.3))) for each in (0.0, 0.1)]
    assert compare(runs[:1], runs[1:]).comparable
    assert not compare(runs[:1], runs[1:], force_tolerance_ev_a=1e-4).comparable


@pytest.mark.parametrize(
    ("dtypes", "tolerance"),
    [
        (["torch.float64", "float64"], OF_DOUBLE),
        (["float64", "float32"], OF_SINGLE),
        ([], OF_SINGLE),
        (["torch.bfloat16"], OF_REDUCED),
        (["float32-high"], OF_REDUCED),
        (["float32-highest"], OF_SINGLE),
    ],
)
def test_the_tolerance_is_that_of_the_least_precise_run(dtypes, tolerance):
    runs = [{"dtype": {"model's dtype": each}} for each in dtypes]
    assert tolerance_of(runs, precision_under_test=False) == tolerance
    assert tolerance_of(runs, precision_under_test=True) == OF_REDUCED
