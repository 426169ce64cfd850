"""What is said of results holds for the calls that returned some, and says so."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.journal.records import Call, Counters, Lane, Phase, RunEnd, State
from instrumented_calc.reporting.run.soundness import soundness_words

MS = 10**6
MD = Phase(phase=0, driver="ase.md.verlet.VelocityVerlet", kind="md", index=0, timestep_fs=2.0)


@pytest.fixture
def run(summarized):
    def of(calls, failed, **counters):
        rows = [
            Call(index=n, start_ns=2 * n * MS, wall_ns=MS, lane=0, phase=0, n_atoms=4, step=n)
            for n in range(calls)
        ]
        for row in rows[calls - failed :]:
            row.failure = "RuntimeError"
        counted = Counters(**{"unchecked": 0, "not_finite": 0, "zero_forces": 0, "same_energy": 0} | counters)
        end = RunEnd(reason="exit", time_ns=1, ended="2026-01-01T00:00:00Z", counters=counted)
        return summarized(Lane(lane=0, calculator="a.B", seen_by="twin"), MD, *rows, State(index=0), end)

    return of


def text_of(summary, name):
    return summary.soundness.of(name).text


def test_results_are_counted_where_there_are_any(run):
    summary = run(5, failed=2)
    assert (summary.evaluations.calls, summary.evaluations.returned) == (5, 3)
    some = "the 3 of 5 calls that returned results"
    assert text_of(summary, "non-finite") == f"energy, forces and positions are finite in {some}"
    assert text_of(summary, "stale") == f"the energy follows the atoms in {some}"
    assert text_of(summary, "frozen") == f"atoms moved and forces acted on them, in {some}"


def test_all_calls_are_said_of_a_run_without_failures(run):
    assert text_of(run(5, failed=0), "non-finite").endswith("are finite in all 5 calls")


@pytest.mark.parametrize("name", ["non-finite", "stale", "frozen"])
def test_nothing_is_clear_where_no_call_returned(run, name):
    assert run(3, failed=3).soundness.of(name).verdict == "not enough evidence"


def test_forces_that_were_not_checked_are_counted_among_returned_ones(run):
    text = text_of(run(50, failed=2, unchecked=8), "non-finite")
    assert (
        text
        == "energies are finite in the 48 of 50 calls that returned results, forces in the 40 checked ones"
    )


def test_forces_that_are_all_zero_are_seen_beside_failed_calls(run):
    found = run(30, failed=2, zero_forces=28).soundness.of("frozen")
    assert found.verdict == "flagged"
    assert found.text.endswith("all forces were exactly 0 in all 28 checked calls")


def test_a_verdict_covers_no_failed_call(run):
    coverage = {each.rule: each.coverage for each in judge(run(50, failed=4)) if each.verdict == "clear"}
    assert coverage["non-finite"] == "46 of 50 calls, the others failed"
    assert "all 50 calls" not in {*coverage.values()} - {coverage["calls-failing"]}


@pytest.mark.parametrize(("calls", "failed"), [(5, 2), (100, 3)])
def test_no_sign_of_failing_calls_is_not_said_of_a_run_that_has_some(run, calls, failed):
    seen, _, _ = soundness_words(run(calls, failed=failed).soundness).partition("; not judged")
    assert "failing calls" not in seen
    seen, _, _ = soundness_words(run(calls, failed=0).soundness).partition("; not judged")
    assert "failing calls" in seen
