"""Time outside the calculator: a cost only in what the user can change."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import CodeLine, Lane, Machine, Observers, Phase, Places, SampledStack

MS = 1_000_000
RULE = "time-outside"
STARVED = "not enough evidence"
CODE = {
    "expm": CodeLine("expm", "scipy"),
    "write": CodeLine("write", "ase"),
    "project": CodeLine("SlowConstraint.adjust_forces", "", "/home/me/md.py", 7),
}


def sampled(**stacks):
    """Return samples of 100 ms: of each part, the function and how many."""
    lines = list(CODE)
    made = [
        SampledStack(part, number, number * 100 * MS, "", [lines.index(name)], 1)
        for part, (name, number) in stacks.items()
    ]
    number = sum(each.samples for each in made)
    return Places(5, number, number * 100 * MS, number * (100.0 * MS) ** 2, list(CODE.values()), made)


def slow_between(make, ms=2.0, n=300, driver="ase.md.verlet.VelocityVerlet", **options):
    """Return a run with gaps as long as its calls."""
    run = make(n, **options).every("gap_ns", lambda _: int(ms * MS))
    run.phase.driver = driver
    return run


def test_a_writer_every_ten_calls_is_named_by_its_period(make, found):
    written = make(300).every("gap_ns", lambda _: 20 * MS, range(5, 300, 10))
    finding = found(written, "time-outside")
    assert finding.verdict == "flagged"
    assert finding.numbers["period_calls"] == 10
    assert finding.saving_share == pytest.approx(30 * 19.9 / (30 * 20 + 300 * 2.1), rel=0.05)
    assert found(make(300), "time-outside").verdict == "clear"
    assert found(make(10), "time-outside").verdict == STARVED


def test_the_gaps_of_a_step_of_two_calls_have_no_period(make, found):
    run = make(600).every("gap_ns", lambda each: MS // 10 if each % 2 else 3 * MS)
    assert found(run, "time-outside").numbers["period_calls"] == 2
    run.every("step", lambda each: each // 2)
    assert found(run, "time-outside").numbers.get("period_calls") is None


def test_a_band_of_three_images_that_calculates_them_again_in_each_step_has_no_period(make, found):
    """Nine calls a step: the energies and forces of three images that share a calculator."""
    run = make(603, kind="optimizer").every("gap_ns", lambda each: MS // 10 if each % 3 else 3 * MS)
    run.every("step", lambda each: each // 9)
    assert found(run, "time-outside").numbers["period_calls"] is None


def test_an_integrator_beside_a_quick_calculator_is_information_only(make, found):
    quick = make(300).every("wall_ns", lambda _: 400_000).every("gap_ns", lambda _: 200_000)
    finding = found(quick, "time-outside")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert found(slow_between(make), "time-outside").severity == "cost"


def test_few_long_gaps_may_be_those_of_a_busy_machine(make, found):
    short = slow_between(make, 20, 60).every("wall_ns", lambda _: 20 * MS)
    assert found(short, "time-outside").severity == "info"
    assert found(short.every("observers_ns", lambda _: 15 * MS), "time-outside").severity == "cost"


def test_the_limit_of_a_saving_leaves_open_where_the_run_waited_for_a_processor(make, found):
    waited = [Machine(time_ns=each * 1000 * MS, processor_wait_ns=each * 240 * MS) for each in range(8)]
    beside = found(slow_between(make, 20).also(*waited), "time-outside")
    alone = found(slow_between(make, 20), "time-outside")
    assert beside.severity == "cost"
    assert beside.saving_share == pytest.approx(alone.saving_share, rel=0.05)


def test_an_integrator_on_a_slow_machine_is_no_cost_and_observers_may_be_asked_for(make, found):
    slow = make(1000).every("wall_ns", lambda _: MS).every("gap_ns", lambda _: int(1.2 * MS))
    finding = found(slow, "time-outside")
    assert (finding.severity, finding.saving_share) == ("info", None)
    assert "run.attach" in finding.remedy


def test_where_the_driver_asks_a_calculator_around_the_recorded_one_its_time_is_nobodys_fault(make, found):
    slow = slow_between(make, 30.0, 1000)
    assert found(slow, "time-outside").severity == "cost"
    slow.phase.calculator = "SumCalculator"
    finding = found(slow, "time-outside")
    assert (finding.severity, finding.saving_share) == ("info", None)
    assert "in the rest of SumCalculator" in finding.headline
    assert "ProfiledCalculator(SumCalculator(...))" in finding.remedy
    watched = slow_between(make, 1.2, 1000).every("observers_ns", lambda _: int(0.7 * MS))
    watched.phase.calculator = "SumCalculator"
    assert found(watched, "time-outside").severity == "cost"


def test_observers_that_the_recorder_timed_are_a_cost_without_any_sample(make, found):
    watched = slow_between(make, 1.2, 1000).every("observers_ns", lambda _: int(0.7 * MS))
    finding = found(watched, "time-outside")
    assert finding.severity == "cost"
    assert finding.saving_share >= 0.7 / 3.3


def test_where_all_observers_were_timed_the_rest_is_the_drivers_unless_samples_show_own_code(make, found):
    def run(*more):
        return found(slow_between(make, 4).also(Observers(time_ns=9, drivers=1, observers=[]), *more), RULE)

    assert run().severity == "info"
    assert "run.attach" not in run().remedy
    assert run(sampled(driver=("project", 20))).severity == "cost"
    assert run(sampled(observers=("write", 20))).severity == "info"


def test_an_observer_that_took_long_once_is_no_lasting_cost(make, found):
    once = make(500).every("gap_ns", lambda _: MS).every("gap_ns", lambda _: 400 * MS, [1])
    once.every("observers_ns", lambda each: 399 * MS if each == 1 else 0)
    assert found(once, RULE).severity == "info"


def test_samples_between_calls_that_saw_no_place_are_not_the_users(make, found):
    seen = sampled(observers=("write", 12))
    unseen = SampledStack("between", 88, 88 * 100 * MS)
    mostly_unseen = Places(
        5, 100, 100 * 100 * MS, 100 * (100.0 * MS) ** 2, seen.lines, [*seen.stacks, unseen]
    )
    assert found(slow_between(make).also(mostly_unseen), "time-outside").severity == "info"
    assert found(slow_between(make).also(seen), "time-outside").severity == "cost"


def test_one_long_gap_is_no_lasting_cost(make, found):
    begun = (
        make(500)
        .every("wall_ns", lambda _: MS)
        .every("gap_ns", lambda _: MS)
        .every("gap_ns", lambda _: 400 * MS, [1])
    )
    assert found(begun, "time-outside").severity == "info"


def test_what_a_program_does_between_two_drivers_has_no_period(make, found):
    def relaxed(*, one_driver):
        run = make(320, kind="optimizer").every("gap_ns", lambda _: 20 * MS, range(16, 320, 16))
        if not one_driver:
            run.also(
                *(
                    Phase(number, "ase.optimize.fire.FIRE", "optimizer", 16 * number)
                    for number in range(2, 21)
                )
            )
            run.every("phase", lambda each: 1 + each // 16)
        return found(run, "time-outside").numbers["period_calls"]

    assert relaxed(one_driver=True) == 16
    assert relaxed(one_driver=False) is None


def test_a_pause_of_the_queue_is_not_time_outside(make, found):
    finding = found(make(300).every("gap_ns", lambda _: 3_600_000 * MS, [150]), "time-outside")
    assert finding.verdict == "clear"
    assert finding.numbers["pauses_left_out_s"] == 3600


def test_gaps_that_a_step_profile_made_longer_have_no_period(make, found):
    profiled = range(5, 300, 10)
    slowed = make(300).every("gap_ns", lambda _: 5 * MS, profiled)
    assert found(slowed, "time-outside").numbers["period_calls"] == 10
    slowed.every("profiled", lambda _: True, profiled)
    finding = found(slowed, "time-outside")
    assert finding.numbers["period_calls"] is None
    assert finding.numbers["median_gap_ms"] == found(make(300), "time-outside").numbers["median_gap_ms"]


def test_samples_tell_what_the_driver_must_do_from_what_the_user_can_change(make, found):
    filtered = slow_between(make, kind="optimizer").also(sampled(driver=("expm", 20)))
    finding = found(filtered, "time-outside")
    assert (finding.verdict, finding.severity, finding.saving_share) == ("flagged", "info", None)
    assert "must do" in finding.headline
    logged = slow_between(make, kind="optimizer").also(sampled(driver=("expm", 10), observers=("write", 30)))
    finding = found(logged, "time-outside")
    assert finding.severity == "cost"
    assert finding.saving_share == pytest.approx(0.75 * 2 / 4.02, rel=0.05)
    projected = slow_between(make).also(sampled(driver=("project", 20)))
    assert found(projected, "time-outside").severity == "cost"


def test_an_integrator_of_the_users_own_does_its_work_in_the_users_code(make, found):
    own = slow_between(make, driver="my_md.Integrator").also(sampled(driver=("project", 20)))
    assert found(own, "time-outside").severity == "info"


def test_a_few_samples_tell_nothing(make, found):
    run = slow_between(make, kind="optimizer").also(sampled(observers=("write", 5)))
    assert found(run, "time-outside").severity == "info"


def test_only_a_large_dense_problem_of_an_optimizer_is_a_cost(make, found):
    def relaxed(atoms):
        run = slow_between(make, 20.0, 60, "ase.optimize.bfgs.BFGS", kind="optimizer")
        return run.every("n_atoms", lambda _: atoms)

    finding = found(relaxed(100), "time-outside")
    assert finding.severity == "cost"
    assert "LBFGS" in finding.remedy
    assert found(relaxed(3), "time-outside").severity == "info"


def test_all_images_of_a_band_are_one_dense_problem_also_beside_other_programs(make, found):
    images, waited = (
        5,
        [Machine(time_ns=each * 1000 * MS, processor_wait_ns=each * 700 * MS) for each in range(8)],
    )

    def band(atoms):
        run = make(300, kind="optimizer").also(*waited)
        run.phase.driver = "ase.optimize.bfgs.BFGS"
        run.every("lane", lambda each: each % images).every("n_atoms", lambda _: atoms)
        run.also(*(Lane(lane=each, calculator="m.C", seen_by="twin") for each in range(1, images)))
        run.every("phase", lambda _: 0).every("step", lambda each: each // images)
        return run.every("gap_ns", lambda each: MS // 10 if each % images else 100 * MS)

    finding = found(band(28), RULE)
    assert finding.severity == "cost"
    assert "LBFGS" in finding.remedy
    assert found(band(3), RULE).severity == "info"


def test_a_program_without_a_driver_does_its_work_between_calls(make, found):
    screening = slow_between(make, 5.0, kind=None)
    assert found(screening, "time-outside").severity == "info"
    alternating = make(300, kind=None).every("gap_ns", lambda each: MS if each % 3 else 30 * MS)
    assert found(alternating, "time-outside").severity == "info"


def test_time_in_one_part_of_the_run_is_not_steady(make, found):
    begun = make(300).every("gap_ns", lambda _: 8 * MS, range(60))
    finding = found(begun, "time-outside")
    assert finding.numbers["share_of_wall"] > 0.2
    assert finding.severity == "info"
    assert found(slow_between(make, n=200), "time-outside").severity == "info", "under a second"
