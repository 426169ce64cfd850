"""What follows from another finding is folded under it, if the evidence of the run says so."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.rules.catalogue import NAMES, judge
from instrumented_calc.analysis.rules.causes import RELATIONS
from instrumented_calc.journal.records import Contraction, Contractions, Environment, Operands, State

MS, US, S = 1_000_000, 1_000, 1_000_000_000


@pytest.fixture
def flagged(summary_of):
    """Return the flagged findings of a run, each with its cause."""

    def of(run, ignore=()):
        found = judge(summary_of(run), ignore)
        return {each.rule: each.follows_from for each in found if each.verdict == "flagged"}

    return of


def test_relations_are_between_rules_and_no_rule_explains_itself():
    assert {each.cause for each in RELATIONS} | {each.effect for each in RELATIONS} <= set(NAMES)
    assert all(each.cause != each.effect for each in RELATIONS)


def test_collections_explain_the_period_of_the_calls_that_they_stop(make, flagged, summary_of):
    rows = range(22, 600, 22)
    run = make(600).every("gc_ns", lambda _: 8 * MS, rows).every("gc_generation", lambda _: 2, rows)
    run.every("wall_ns", lambda _: 10 * MS, rows)
    assert flagged(run) == {"gc-pauses": None, "periodic-calls": "gc-pauses"}
    folded = next(each for each in judge(summary_of(run)) if each.rule == "periodic-calls")
    assert folded.saving_share is None
    assert folded.numbers["period_calls"] == 22
    # Collections in other calls explain nothing.
    other = make(600).every("wall_ns", lambda _: 10 * MS, rows)
    other.every("gc_ns", lambda _: MS // 10, range(5, 600, 3)).every("gc_generation", lambda _: 2, rows)
    assert flagged(other)["periodic-calls"] is None


def test_without_the_cause_the_effect_stands_alone(make, flagged):
    rows = range(22, 600, 22)
    run = make(600).every("gc_ns", lambda _: 8 * MS, rows).every("gc_generation", lambda _: 2, rows)
    run.every("wall_ns", lambda _: 10 * MS, rows)
    assert flagged(run, ignore=["gc-pauses"]) == {"periodic-calls": None}


def test_positions_that_are_not_numbers_explain_repeated_calculations(make, flagged):
    run = make(300).every("step", lambda each: each // 2).every("energy_ev", lambda _: float("nan"))
    assert flagged(run)["evaluations-per-step"] == "non-finite"


def test_a_property_that_is_asked_late_explains_two_calculations_a_step(make, flagged):
    twice = make(300).every("step", lambda each: each // 2)
    twice.every("changes", lambda each: [] if each % 2 else ["positions"])
    assert flagged(twice) == {"unchanged-atoms": None, "evaluations-per-step": "unchanged-atoms"}
    moved = make(300).every("step", lambda each: each // 2)
    moved.every("changes", lambda each: [] if each % 20 == 1 else ["positions"])
    assert flagged(moved)["evaluations-per-step"] is None


def test_a_kept_graph_explains_the_memory_that_grows(make, flagged):
    run = make(2000, Environment(torch={"default_dtype": "float32"}))
    run.every("rss_bytes", lambda each: 2 * 10**8 + 4000 * each, range(0, 2000, 10))
    assert flagged(run) == {"host-growth": None}
    run.also(State(index=5, graph_retained=["energy"]))
    assert flagged(run) == {"graph-retained": None, "host-growth": "graph-retained"}


def contracted(equation, operands, calls, ns):
    looks = Operands(operands, calls, ns, 0.0)
    return Contraction(equation=equation, library="numpy", calls=calls, operands=[looks])


def test_how_contractions_are_computed_explains_that_they_dominate(make, flagged):
    def with_contractions(ns):
        operands = ["float64[50,50]"] * 3
        bad = contracted("ij,jk,kl->il", operands, 100, ns)
        good = contracted("mnpqr,pqr->mn", ["float64[4,5,6,6,6]", "float64[6,6,6]"], 1000, 60 * MS)
        return make(100).also(Contractions(time_ns=1000 * S, contractions=[bad, good]))

    found = flagged(with_contractions(100 * MS))
    assert found == {"bad-path": None, "contraction-dominated": "bad-path"}
    assert flagged(with_contractions(15 * MS))["contraction-dominated"] is None


def test_savings_of_a_report_add_up_to_at_most_the_run(make, summary_of):
    run = make(600).every("step", lambda each: each // 2)
    run.every("changes", lambda each: [] if each % 2 else ["positions"])
    run.every("components", lambda _: {"pairs": int(1.9 * MS)})
    run.lane.groups = {"pairs": "neighbours"}
    run.every("gap_ns", lambda _: 15 * MS, range(5, 600, 10))
    found = [each for each in judge(summary_of(run)) if each.saving_share]
    assert {"unchanged-atoms", "neighbour-list", "time-outside"} <= {each.rule for each in found}
    assert sum(each.counted_share for each in found) <= 1
    lists = next(each for each in found if each.rule == "neighbour-list")
    # The list takes 93 % of a call, and half of the calls need not be made.
    assert lists.counted_share < 0.6 * lists.numbers["share_of_wall"]
    # But if they are made, an upper limit is not reduced by them.
    assert lists.saving_kind == "at most"
    assert lists.saving_share == pytest.approx(lists.numbers["share_of_wall"], rel=0.01)
