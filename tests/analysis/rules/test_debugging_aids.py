"""Debugging aids that were left on are named first among the costs, with what they do and how to end it."""

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.rules.debugging_aids import KNOWN
from instrumented_calc.capture.environment import debugging_aids as captured
from instrumented_calc.journal.records import Counters, Environment, RunEnd

ENDED = ("closed", 10**9, "2026-01-01T01:00:00Z", Counters(calls=100))


def test_an_aid_is_named_with_its_effect_and_its_remedy(make, found):
    run = make(100, Environment(debugging_aids={"tracemalloc": "25 frames", "TORCH_LOGS": "+dynamo"}))
    finding = found(run, "debugging-aids")
    assert (finding.verdict, finding.severity) == ("flagged", "cost")
    assert "tracemalloc (25 frames) is on: it keeps the stack of each allocation" in finding.headline
    assert "also TORCH_LOGS (+dynamo)" in finding.headline
    assert finding.saving_share is None
    assert finding.remedy.startswith("Remove tracemalloc.start and PYTHONTRACEMALLOC; unset TORCH_LOGS")


def test_an_aid_that_was_switched_on_later_counts_and_one_that_only_prints_is_no_cost(make, found):
    end = RunEnd(*ENDED, debugging_aids={"TORCH_LOGS": "+dynamo"})
    finding = found(make(100, Environment(debugging_aids={})).also(end), "debugging-aids")
    assert (finding.verdict, finding.severity) == ("flagged", "info")


def test_a_run_without_aids_is_clear_and_one_that_recorded_none_is_not(make, found):
    assert found(make(100, Environment(debugging_aids={})), "debugging-aids").verdict == "clear"
    assert found(make(100), "debugging-aids").verdict == "not enough evidence"


def test_an_aid_stands_before_other_costs(make, summary_of):
    run = make(600, Environment(debugging_aids={"sys.settrace": "coverage.tracer.CTracer"}))
    run.every("wall_ns", lambda _: 10**7, range(22, 600, 22))
    assert judge(summary_of(run))[0].rule == "debugging-aids"


def test_each_recorded_aid_is_known_to_the_rule():
    names = {name for group in captured.VARIABLES.values() for name in group}
    assert names | {*captured.ON_GPUS, *captured.OF_JAX} <= set(KNOWN)
