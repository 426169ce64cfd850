"""Other programs on the processors: told by CPU time and preemptions, and what it explains."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.journal.records import Environment, Machine, ThreadPool

MS = 1_000_000
N = 1000


def computing(run, slow, preempted, busy=1.0):
    """Give a run calls of 4 ms, which take `slow(n)` times as long while the CPU time stays."""
    n = len(run.calls)
    run.every("wall_ns", lambda each: int(4 * MS * slow(each)) + each * 7919 % 1000 * 50)
    cpu = np.cumsum([busy * 4.1 * MS] * n)
    preemptions = np.cumsum([preempted(each) for each in range(n)])
    run.every("cpu_ns", lambda each: int(cpu[each]), range(0, n, 5))
    return run.every("preemptions", lambda each: int(preemptions[each]), range(0, n, 5))


def middle(each):
    return 400 <= each < 600


def test_a_neighbour_that_comes_and_goes_is_told_with_its_span(make, found):
    run = computing(make(N), lambda each: 4.0 if middle(each) else 1.0, lambda each: 2 * middle(each))
    finding = found(run, "contention")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert 370 <= finding.numbers["first_call"] <= 420
    assert 580 <= finding.numbers["last_call"] <= 630
    assert finding.numbers["share_of_wall"] == pytest.approx(200 * 12 / (800 * 4.1 + 200 * 16.1), rel=0.1)
    assert "from step" in finding.headline


def test_a_run_that_is_preempted_throughout_waits_or_sleeps(make, found):
    starved = computing(make(N), lambda _: 2.5, lambda _: 1)
    finding = found(starved, "contention")
    assert (finding.verdict, finding.severity, finding.saving_share) == ("flagged", "info", None)
    assert finding.numbers["processors_busy"] == pytest.approx(0.4, abs=0.03)
    assert "waited for one, or slept" in finding.headline
    assert found(computing(make(N), lambda _: 1.1, lambda _: 1), "contention").verdict == "clear"


def test_a_run_with_several_threads_is_told_to_try_one(make, found):
    def starved(threads):
        environment = Environment(threads_effective=[ThreadPool("blas", "openblas", threads)])
        return found(computing(make(N, environment), lambda _: 2.5, lambda _: 1), "contention")

    assert "OMP_NUM_THREADS=1" in starved(8).remedy
    assert "OMP_NUM_THREADS" not in starved(1).remedy


def test_a_starved_run_is_not_accused_of_what_takes_longer_between_its_calls(make, found):
    starved = computing(make(N), lambda _: 2.5, lambda _: 1).every("gap_ns", lambda _: 3 * MS)
    assert found(starved, "time-outside").severity == "info"
    alone = computing(make(N), lambda _: 2.5, lambda _: 0).every("gap_ns", lambda _: 3 * MS)
    assert found(alone, "time-outside").severity == "cost"


def test_calls_that_waited_for_a_processor_are_no_long_calls(make, verdict):
    def longer(each):
        return 30.0 if each in {77, 130, 402, 519, 771, 980} else 1.0

    assert verdict(computing(make(N), longer, lambda _: 1), "long-calls") == "clear"
    assert verdict(computing(make(N), longer, lambda _: 0), "long-calls") == "flagged"


def test_a_long_call_that_computes_is_one_beside_other_programs_too(make, verdict):
    run = computing(make(N), lambda each: 200.0 if each == 500 else 1.0, lambda _: 1)
    for call in run.calls[500::5]:
        call.cpu_ns += 600 * MS
        call.preemptions += 60
    assert verdict(run, "long-calls") == "flagged"


def test_rare_long_gaps_beside_other_programs_may_be_theirs(make, found):
    rare = np.random.default_rng(0).random(N) < 0.09

    def run(preempted):
        ours = computing(make(N), lambda _: 1.4, lambda _: preempted)
        return ours.every("gap_ns", lambda each: 40 * MS if rare[each] else MS // 2)

    assert found(run(1), "time-outside").severity == "info"
    assert found(run(0), "time-outside").severity == "cost"


def test_calls_that_wait_ever_longer_for_a_processor_cost_nothing_that_can_be_saved(make, found):
    def run(preempted):
        return computing(make(N), lambda each: 1 + each / N, lambda _: preempted)

    assert found(run(1), "latency-drift").severity == "info"
    assert found(run(0), "latency-drift").severity == "cost"


def test_a_second_is_too_short_for_a_drift(make, verdict):
    def run(n):
        return make(n).every("wall_ns", lambda each: 3 * MS + each * MS // n + each * 7919 % 1000 * 50)

    assert verdict(run(250), "latency-drift") == "not enough evidence"
    assert verdict(run(1000), "latency-drift") == "flagged"


def waiting(share):
    """Return readings of the time that the thread waited, in each of three seconds."""
    waited = np.cumsum([0, *share]) * 1e9
    return [Machine(time_ns=each * 10**9, processor_wait_ns=int(ns)) for each, ns in enumerate(waited)]


def test_waiting_that_the_system_measured_is_told_whatever_the_preemptions(make, found):
    run = computing(make(N), lambda _: 1.0, lambda _: 0).also(*waiting([0.0, 0.6, 0.0]))
    finding = found(run, "contention")
    assert finding.verdict == "flagged"
    assert finding.numbers["share_of_wall"] == pytest.approx(0.2)
    assert 230 < finding.numbers["first_call"] < 260
    assert 470 < finding.numbers["last_call"] < 500
    alone = computing(make(N), lambda _: 1.0, lambda _: 0).also(*waiting([0.01, 0.02, 0.0]))
    assert found(alone, "contention").verdict == "clear"


def test_calls_that_sleep_or_compute_longer_are_not_in_contention(make, verdict):
    assert verdict(computing(make(N), lambda _: 1.0, lambda _: 0, busy=0.3), "contention") == "clear"
    assert verdict(computing(make(N), lambda _: 1.0, lambda _: 0), "contention") == "clear"
    assert verdict(
        computing(make(N), lambda each: 4.0 if middle(each) else 1.0, lambda _: 0), "contention"
    ) == ("clear")
    assert verdict(make(N), "contention") == "not enough evidence"


def test_contention_that_grows_explains_a_drift(make, summary_of):
    run = computing(make(N), lambda each: 1 + max(each - 250, 0) / 400, lambda each: each > 250)
    findings = {each.rule: each for each in judge(summary_of(run))}
    drift = findings["latency-drift"]
    assert (drift.verdict, drift.follows_from) == ("flagged", "contention")
    assert "they wait longer" in drift.headline
    assert drift.numbers["growth_of_cpu_time"] == pytest.approx(0, abs=0.02)


def test_calls_that_compute_ever_more_are_a_drift_of_their_own(make, found):
    run = make(N).every("wall_ns", lambda each: 2 * MS + 3000 * each)
    cpu = np.cumsum([2 * MS + 3000 * each for each in range(N)])
    run.every("cpu_ns", lambda each: int(cpu[each]), range(0, N, 5))
    finding = found(run, "latency-drift")
    assert (finding.verdict, finding.follows_from) == ("flagged", None)
    assert finding.numbers["growth_of_cpu_time"] == pytest.approx(1.0, abs=0.2)
    assert "they compute more" in finding.headline
