"""Several calculations per MD step, told apart by what the journal knows."""

from __future__ import annotations

import pytest
from ase.calculators.calculator import all_changes

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.journal.records import Counters, Lane, RunEnd

MS = 1_000_000
MOVED = ["positions"]


@pytest.fixture
def twice(make):
    """Return a run with two calculations per step, of which the second is to be made special."""

    def of(n=300):
        return make(n).every("step", lambda each: each // 2).every("changes", lambda _: MOVED)

    return of


SECOND = range(1, 300, 2)


def lanes(run, number):
    return run.also(*(Lane(lane=each, calculator="m.C", seen_by="twin") for each in range(1, number)))


def cause(finding):
    shares = {name: share for name, share in finding.numbers.items() if name.startswith("share_of_")}
    return max(shares, key=shares.get).removeprefix("share_of_")


def test_a_barostat_that_calculates_twice_is_named(twice, found):
    run = twice()
    run.phase.driver = "ase.md.nptberendsen.NPTBerendsen"
    finding = found(run, "evaluations-per-step")
    assert (finding.verdict, cause(finding)) == ("flagged", "barostat")
    assert "IsotropicMTKNPT" in finding.remedy
    assert finding.trial == "other-barostat"
    assert finding.saving_share == pytest.approx(0.48, abs=0.02)


def test_a_barostat_is_not_said_to_save_calls_with_a_new_cell(twice, found):
    """The first calculation of a step is five times as long: its cell is new, as it is with any barostat."""
    run = twice().every("wall_ns", lambda each: 2 * MS if each % 2 else 10 * MS)
    run.phase.driver = "ase.md.nptberendsen.NPTBerendsen"
    finding = found(run, "evaluations-per-step")
    assert cause(finding) == "barostat"
    assert finding.saving_share == pytest.approx(2 / 12.2, abs=0.01)


def test_atoms_that_something_moves_within_a_step_are_named(twice, found):
    finding = found(twice(), "evaluations-per-step")
    assert (finding.verdict, cause(finding)) == ("flagged", "moved_atoms")
    assert "choose an integrator" not in finding.remedy
    assert "for 150 of the 150 beyond one per step" in finding.headline


def test_a_new_calculator_in_each_step_is_named(twice, found):
    run = lanes(twice(), 151).every("lane", lambda each: (each + 1) // 2, SECOND)
    run.every("lane", lambda _: 0, range(0, 300, 2))
    finding = found(run, "evaluations-per-step")
    assert (finding.verdict, cause(finding), finding.trial) == (
        "flagged",
        "new_calculators",
        "one-calculator",
    )


def test_the_time_to_make_new_calculators_is_part_of_their_cost(twice, summary_of):
    run = lanes(twice(), 151).every("lane", lambda each: (each + 1) // 2, SECOND)
    run.every("lane", lambda _: 0, range(0, 300, 2)).every("gap_ns", lambda _: 4 * MS, SECOND)
    findings = {each.rule: each for each in judge(summary_of(run))}
    finding = findings["evaluations-per-step"]
    # of 2 calls of 2 ms and gaps of 4.1 ms per step, one call and 3.9 ms between calls
    assert finding.saving_share == pytest.approx(5.9 / 8.15, rel=0.03)
    assert finding.numbers["seconds_to_make_calculators"] == pytest.approx(150 * 3.9e-3, rel=0.01)
    assert findings["time-outside"].follows_from == "evaluations-per-step"
    assert sum(each.saving_share or 0.0 for each in findings.values()) <= 1


def test_a_second_calculator_is_no_new_one(twice, found):
    run = lanes(twice(), 2).every("lane", lambda each: int(each % 6 in {1, 3}))
    assert cause(found(run, "evaluations-per-step")) == "other_calculators"


def test_terms_of_a_sum_that_each_step_calls_once_are_no_fault(twice, found):
    finding = found(lanes(twice(), 2).every("lane", lambda each: each % 2), "evaluations-per-step")
    assert finding.verdict == "clear"
    assert finding.headline.endswith("1 of them by other calculators, which each step calls once")


def test_another_structure_that_shares_the_calculator_is_named(twice, found):
    run = twice().every("n_atoms", lambda each: 4 if each % 2 else 32)
    assert cause(found(run, "evaluations-per-step")) == "other_structures"
    numbers = twice().every("changes", lambda _: ["positions", "numbers"])
    assert cause(found(numbers, "evaluations-per-step")) == "other_structures"


def test_a_calculator_that_is_reset_is_not_taken_for_a_shared_one(twice, found):
    run = compared(twice(), 300).every("repeats", lambda each: each - 1, range(2, 300, 2))
    run.every("changes", lambda _: list(all_changes), range(2, 300, 2))
    finding = found(run, "evaluations-per-step")
    assert cause(finding) == "forgotten_results"
    assert "reset()" in finding.remedy


def test_failed_calls_that_are_repeated_are_named(twice, found):
    run = twice().every("failure", lambda _: "RuntimeError", range(0, 300, 2))
    assert cause(found(run, "evaluations-per-step")) == "failed"


def test_calls_of_another_thread_are_named(twice, found):
    run = twice().every("gap_ns", lambda _: -MS, SECOND)
    assert cause(found(run, "evaluations-per-step")) == "other_threads"


def test_the_first_forces_of_a_run_are_no_second_calculation(make, found):
    finding = found(make(300), "evaluations-per-step")
    assert finding.verdict == "clear"
    assert finding.coverage == "all 300 calls"


def compared(run, number):
    counters = Counters(calls=len(run.calls), fingerprints=number)
    ended = "2026-01-01T00:01:00Z"
    return run.also(RunEnd(reason="closed", time_ns=10**10, ended=ended, counters=counters))


def test_a_geometry_that_was_calculated_before_others_is_named(twice, found):
    run = compared(twice(), 300).every("repeats", lambda each: each - 2, range(2, 300, 2))
    finding = found(run, "evaluations-per-step")
    assert (finding.verdict, cause(finding)) == ("flagged", "other_geometries")
    assert "for 149 of the 150 beyond one per step, the same geometry had been" in finding.headline
    assert "50 % of the compared calls calculated a geometry again" in finding.headline
    assert finding.numbers["calls_per_geometry"] == pytest.approx(300 / 151)


def test_repeats_that_were_looked_for_in_some_calls_are_scaled_up(twice, found):
    run = compared(twice(), 100).every("repeats", lambda each: each - 2, range(2, 100, 2))
    finding = found(run, "evaluations-per-step")
    assert cause(finding) == "other_geometries"
    assert finding.numbers["share_of_other_geometries"] == pytest.approx(0.98, abs=0.01)


def test_an_optimizer_that_calculates_geometries_again_is_flagged(make, found):
    run = make(300, kind="optimizer").every("step", lambda each: each // 10)
    run.every("changes", lambda _: MOVED)
    finding = found(run, "evaluations-per-step")
    assert finding.verdict == "clear"
    compared(run, 150).every("repeats", lambda each: each - 10, range(50, 100))
    finding = found(run, "evaluations-per-step")
    assert finding.verdict == "flagged"
    assert "33 % of the calls calculated a geometry again (50 of 150 that were compared)" in finding.headline
    assert "own calculator" in finding.remedy
    assert finding.saving_share == pytest.approx(1 / 3, abs=0.03)


def test_a_calculator_that_had_forgotten_the_geometry_is_told_apart(make, found):
    run = compared(make(300, kind="optimizer").every("changes", lambda _: MOVED), 300)
    run.every("repeats", lambda each: each - 1, range(1, 300, 2))
    assert "had forgotten it" in found(run, "evaluations-per-step").headline


def test_new_calculators_for_the_same_geometry_are_named(make, found):
    run = lanes(compared(make(300, kind="optimizer").every("changes", lambda _: MOVED), 300), 151)
    run.every("lane", lambda each: (each + 1) // 2, SECOND).every("lane", lambda _: 0, range(0, 300, 2))
    run.every("repeats", lambda each: each - 1, SECOND)
    finding = found(run, "evaluations-per-step")
    assert finding.numbers["reason"] == "new calculators"
    assert finding.trial == "one-calculator"


def test_calculators_of_other_classes_do_not_repeat_each_other(make, found):
    run = compared(make(300, kind="optimizer").every("changes", lambda _: MOVED), 300)
    run.every("lane", lambda each: each % 2).every("repeats", lambda each: each - 1, SECOND)
    run.also(Lane(lane=1, calculator="m.Other", seen_by="twin"))
    assert found(run, "evaluations-per-step").verdict == "clear"


def test_few_repeats_are_no_finding(make, found):
    run = compared(make(300, kind="optimizer").every("changes", lambda _: MOVED), 300)
    run.every("repeats", lambda each: each - 2, range(10, 20))
    assert found(run, "evaluations-per-step").verdict == "clear"
