"""Processes that calls start again and again are counted, and named where starting them takes time."""

import pytest

from instrumented_calc.journal.records import Counters, RunEnd


def ended(**counted):
    return RunEnd("closed", 10**9, "2026-01-01T01:00:00Z", Counters(calls=100, **counted))


@pytest.mark.parametrize("counted", [{"forks": 200, "workers": 200}, {"forks": 0, "workers": 200}])
def test_processes_of_each_call_are_a_cost(make, found, counted):
    finding = found(make(100).also(ended(**counted)), "processes-in-calls")
    assert (finding.verdict, finding.severity) == ("flagged", "cost")
    assert finding.headline.endswith(
        "200 processes were started by fork or multiprocessing in 100 calls, 2.00 per call"
    )


def test_processes_of_long_calls_are_worth_knowing_only(make, found):
    run = make(100).every("wall_ns", lambda _: 10**9).also(ended(forks=100, workers=0))
    assert found(run, "processes-in-calls").severity == "info"


def test_a_pool_that_is_kept_is_clear_and_what_was_not_counted_is_unknown(make, found):
    assert found(make(100).also(ended(forks=4, workers=4)), "processes-in-calls").verdict == "clear"
    assert found(make(100).also(ended()), "processes-in-calls").verdict == "not enough evidence"
