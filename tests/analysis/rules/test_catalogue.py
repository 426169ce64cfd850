"""The catalogue as a whole: every rule answers, in an order that can be relied on."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from instrumented_calc.analysis.observation import Need, Trial
from instrumented_calc.analysis.rules.catalogue import NAMES, RULES, judge
from instrumented_calc.analysis.rules.evaluations import CAUSES

MS = 1_000_000


def test_every_rule_has_a_name_of_its_own_and_says_what_to_do():
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in NAMES)
    assert all(rule.remedy and rule.confirm and rule.look.__doc__ for rule in RULES)


@pytest.mark.parametrize("calls", [0, 1, 5, 40, 300])
def test_no_rule_is_silent_and_none_fails_however_little_there_is(make, summary_of, calls):
    findings = judge(summary_of(make(calls)))
    assert {each.rule for each in findings} == set(NAMES)
    assert all(each.headline for each in findings)
    assert not [each for each in findings if each.verdict == "flagged"]


@pytest.mark.parametrize("calls", [0, 1, 40, 300])
def test_a_clear_verdict_says_what_it_looked_at(make, summary_of, calls):
    findings = judge(summary_of(make(calls)))
    assert [each.rule for each in findings if (each.verdict == "clear") != bool(each.coverage)] == []


def test_a_rule_without_evidence_says_what_would_decide_it(make, summary_of):
    short = {each.rule: each for each in judge(summary_of(make(40)))}
    assert Need("calls", "steady calls", 200) in short["gc-pauses"].needs
    assert Need("command", "instrumented-calc scale") in short["overhead-bound"].needs
    assert not [each.rule for each in short.values() if each.needs and each.verdict != "not enough evidence"]


def test_every_trial_has_a_known_name():
    trials = get_args(Trial)
    assert len(set(trials)) == len(trials)
    assert {rule.trial for rule in RULES} - {None} <= set(trials)
    assert {cause.trial for cause in CAUSES.values()} - {None} <= set(trials)


def test_wrong_results_come_first_then_what_costs_most(make, summary_of):
    run = make(2000).every("rss_bytes", lambda each: 10**8 + 4000 * each, range(0, 2000, 10))
    run.every("gap_ns", lambda _: 10 * MS, range(0, 2000, 5))
    run.every("gc_ns", lambda _: MS // 2).every("gc_generation", lambda _: 2)
    findings = judge(summary_of(run))
    assert [each.rule for each in findings if each.verdict == "flagged"] == [
        "host-growth",
        "time-outside",
        "gc-pauses",
    ]
    last = [each.verdict for each in findings[3:]]
    assert last == sorted(last, reverse=True)


def test_a_small_saving_is_information_only(make, summary_of):
    run = make(1000).every("gc_ns", lambda _: 45_000).every("gc_generation", lambda _: 0)
    (finding,) = [each for each in judge(summary_of(run)) if each.verdict == "flagged"]
    assert (finding.rule, finding.severity) == ("gc-pauses", "info")
    assert 0.01 < finding.saving_share < 0.03
    assert finding.saving_ms == pytest.approx(0.045, rel=0.02)


def test_a_rule_that_is_ignored_is_not_asked(make, summary_of):
    findings = judge(summary_of(make(10)), ignore=["host-growth"])
    assert "host-growth" not in {each.rule for each in findings}
    assert len(findings) == len(NAMES) - 1
