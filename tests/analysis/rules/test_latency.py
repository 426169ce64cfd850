"""Planted, healthy and starved runs for the rules on latency."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import Environment, Machine, Notice, TraceWindow

MS = 1_000_000
STARVED = "not enough evidence"


def test_a_slow_first_call_is_a_warm_up_and_only_information(make, found):
    slow = found(make(100).every("wall_ns", lambda _: 900 * MS, [0]), "warm-up")
    assert (slow.verdict, slow.severity) == ("flagged", "info")
    assert slow.numbers["first_call_ms"] == pytest.approx(900)
    assert "inflated" in slow.headline
    assert found(make(100), "warm-up").verdict == "clear"
    assert found(make(10), "warm-up").verdict == STARVED


def test_compilation_in_the_middle_of_a_run_is_recompiling(make, found):
    storm = make(300).every("compile_ns", lambda _: {"process": 900 * MS}, [0, 1, 100, 150, 200])
    storm.every("wall_ns", lambda _: 1000 * MS, [0, 1, 100, 150, 200])
    finding = found(storm, "recompiling")
    assert finding.verdict == "flagged"
    assert finding.numbers["calls"] == 3
    assert finding.saving_share == pytest.approx(2994 / 5630, rel=0.05)
    assert finding.ceiling == pytest.approx(1 / (1 - finding.saving_share))
    start = make(300).every("compile_ns", lambda _: {"process": 900 * MS}, [0, 1])
    assert found(start, "recompiling").verdict == "clear"
    assert found(make(300), "recompiling").verdict == "clear"
    unseen = make(300, Environment(torch={"default_dtype": "float32"}), {"compiled": True})
    assert found(unseen, "recompiling").verdict == STARVED


def test_a_new_number_of_atoms_may_compile(make, found):
    run = make(300).every("compile_ns", lambda _: {"f": 900 * MS}, [0, 100, 150, 200])
    run.every("wall_ns", lambda _: 1000 * MS, [0, 100, 150, 200])
    run.every("n_atoms", lambda each: 32 + each, [100, 150, 200])
    finding = found(run, "recompiling")
    assert finding.numbers["calls_with_a_new_number_of_atoms"] == 3
    assert finding.verdict == "clear"


def test_spikes_at_new_shapes_are_inferred_to_be_compilation(make, found):
    run = make(300, Environment(torch={"default_dtype": "float32"}), {"compiled": True})
    run.every("counts", lambda each: {"edges": 100 + each // 50})
    run.every("wall_ns", lambda _: 100 * MS, [50, 100, 150, 200])
    finding = found(run, "recompiling")
    assert finding.verdict == "flagged"
    assert finding.headline.startswith("inferred")


def test_garbage_collection_that_overlaps_the_spikes_is_reported(make, found):
    rows = range(22, 600, 22)
    paused = make(600).every("gc_ns", lambda _: 8 * MS, rows).every("gc_generation", lambda _: 2, rows)
    paused.every("wall_ns", lambda _: 10 * MS, rows)
    finding = found(paused, "gc-pauses")
    assert finding.verdict == "flagged"
    assert finding.numbers["slow_calls_with_one"] == len(rows)
    assert finding.numbers["gc_ms"] == pytest.approx(8 * len(rows))
    assert "gc.freeze" in finding.remedy
    assert "gc.disable" not in finding.remedy
    young = make(600).every("gc_ns", lambda _: MS // 100, rows).every("gc_generation", lambda _: 0, rows)
    assert found(young, "gc-pauses").verdict == "clear"
    assert found(make(100), "gc-pauses").verdict == STARVED
    blind = make(600).also(Notice(kind="not-measured", text="garbage collection cannot be measured here"))
    assert found(blind, "gc-pauses").verdict == STARVED


def test_spikes_without_a_cause_are_jitter(make, found):
    rows = [each * each * 7 % 600 for each in range(1, 21)]
    jitter = make(600).every("wall_ns", lambda _: 10 * MS, rows)
    assert found(jitter, "unexplained-jitter").verdict == "flagged"
    explained = make(600).every("wall_ns", lambda _: 10 * MS, rows).every("gc_ns", lambda _: 8 * MS, rows)
    assert found(explained, "unexplained-jitter").verdict == "clear"
    assert found(make(50), "unexplained-jitter").verdict == STARVED
    jitter.every("preemptions", lambda each: 2 * each, range(0, 600, 10))
    assert found(jitter, "unexplained-jitter").severity == "info"


def test_slow_calls_are_a_cost_only_beyond_what_any_machine_does(make, found):
    def severity(rows, ms):
        finding = found(make(600).every("wall_ns", lambda _: ms * MS, rows), "unexplained-jitter")
        assert finding.verdict == "flagged"
        return finding.severity

    throughout = [each * each * 7 % 600 for each in range(1, 21)]
    assert severity(throughout, 60) == "cost"
    assert severity(throughout, 15) == "info", "as long as pauses of the scheduler"
    assert severity(throughout[:8], 60) == "info", "few"
    assert severity([100 + each * each % 97 for each in range(20)], 60) == "info", "in one part of the run"
    waited = [Machine(time_ns=0, processor_wait_ns=0), Machine(time_ns=3 * 10**9, processor_wait_ns=10**9)]
    run = make(600).every("wall_ns", lambda _: 60 * MS, throughout).also(*waited)
    assert found(run, "unexplained-jitter").severity == "info"


def test_a_period_inside_calls_is_found_exactly_with_its_share_and_part(make, found):
    rows = range(7, 600, 40)
    run = make(600).every("wall_ns", lambda _: 60 * MS, rows)
    run.every("components", lambda each: {"rebuild": (58 if each in rows else 1) * MS})
    finding = found(run, "periodic-calls")
    assert (finding.verdict, finding.severity, finding.saving_kind) == ("flagged", "cost", "at most")
    assert finding.numbers["period_calls"] == 40
    assert finding.saving_share == pytest.approx(15 * 58 / (585 * 2.1 + 15 * 60), rel=0.1)
    assert "every 40th call" in finding.headline
    assert "'rebuild'" in finding.headline
    assert found(run, "unexplained-jitter").verdict == "clear"
    assert found(make(600), "periodic-calls").verdict == "clear"
    assert found(make(50), "periodic-calls").verdict == STARVED


def test_the_first_call_of_each_structure_of_a_screening_is_no_period(make, found):
    firsts = range(6, 600, 6)
    run = make(600).every("wall_ns", lambda _: 30 * MS, firsts).every("changes", lambda _: ["positions"])
    assert found(run, "periodic-calls").verdict == "flagged"
    run.every("changes", lambda _: ["positions", "numbers", "cell"], firsts)
    finding = found(run, "periodic-calls")
    assert finding.verdict == "clear"
    assert "structures take turns" in finding.headline


def test_structures_of_several_sizes_in_turn_are_no_period(make, found):
    run = make(600)
    sizes = (4, 8, 256)
    run.every("n_atoms", lambda each: sizes[each % 3]).every("wall_ns", lambda each: sizes[each % 3] * MS)
    assert found(run, "periodic-calls").verdict == "clear"
    alike = make(600).every("n_atoms", lambda each: sizes[each % 3])
    alike.every("wall_ns", lambda _: 60 * MS, range(7, 600, 40))  # of all three
    assert found(alike, "periodic-calls").verdict == "flagged"


def test_a_neighbour_list_that_is_rebuilt_at_intervals_explains_them(make, found):
    rows = range(7, 600, 10)
    run = make(600, groups={"list": "neighbours"}).every("wall_ns", lambda _: 20 * MS, rows)
    run.every("components", lambda each: {"list": (19 if each in rows else 0) * MS})
    assert found(run, "neighbour-list").verdict == "flagged"
    assert found(run, "periodic-calls").follows_from == "neighbour-list"


def test_a_neighbour_list_with_a_skin_is_rebuilt_by_design(make, found):
    rows = range(7, 600, 10)
    run = make(600, groups={"list": "neighbours"}).every("wall_ns", lambda _: 5 * MS, rows)
    run.every("components", lambda each: {"list": (3 if each in rows else 0) * MS})
    finding = found(run, "periodic-calls")
    assert (finding.verdict, finding.severity, finding.saving_share) == ("flagged", "info", None)
    assert "skin" in finding.remedy


def test_one_call_that_takes_most_of_the_run_is_reported(make, found):
    run = make(300).every("wall_ns", lambda _: 4000 * MS, [150])
    finding = found(run, "long-calls")
    assert finding.verdict == "flagged"
    assert "call 150 (step 150) took 4.00 s" in finding.headline
    assert finding.saving_share == pytest.approx(4 / 4.63, rel=0.02)
    assert found(make(300), "long-calls").verdict == "clear"


def test_a_pause_of_the_scheduler_is_no_cost_of_a_run_of_a_tenth_of_a_second(make, found):
    quick = make(300).every("wall_ns", lambda _: MS // 5).every("wall_ns", lambda _: 13 * MS, [150])
    finding = found(quick, "long-calls")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    longer = make(300).every("wall_ns", lambda _: MS // 5).every("wall_ns", lambda _: 40 * MS, [150])
    assert found(longer, "long-calls").severity == "cost"


def test_one_long_collection_is_a_long_call_and_several_belong_to_the_rule_on_collections(make, found):
    def collected(*rows):
        run = make(300).every("wall_ns", lambda _: 4000 * MS, rows)
        return run.every("gc_ns", lambda _: 3900 * MS, rows)

    finding = found(collected(150), "long-calls")
    assert finding.verdict == "flagged"
    assert "to collect garbage" in finding.headline
    assert found(collected(150), "gc-pauses").verdict == "clear"
    assert found(collected(100, 150, 201), "long-calls").verdict == "clear"
    assert found(collected(100, 150, 201), "gc-pauses").verdict == "flagged"


def test_few_calls_show_a_collection_in_each_of_them(make, found):
    run = make(60).every("wall_ns", lambda _: 100 * MS).every("gc_ns", lambda _: 90 * MS)
    finding = found(run.every("gc_generation", lambda _: 2), "gc-pauses")
    assert finding.verdict == "flagged"
    assert "which only gc.collect() does" in finding.headline
    assert "Remove gc.collect()" in finding.remedy


def test_one_collection_is_no_evidence_of_a_cost(make, found):
    run = make(300).every("gc_ns", lambda _: 100 * MS, [150]).every("gc_generation", lambda _: 2, [150])
    assert found(run, "gc-pauses").verdict == "clear"


def test_calls_that_take_ever_longer_are_a_drift(make, found):
    drift = make(1000).every("wall_ns", lambda each: 2 * MS + 1000 * each + each * 7919 % 1000 * 50)
    finding = found(drift, "latency-drift")
    assert finding.verdict == "flagged"
    assert finding.numbers["growth"] == pytest.approx(0.4, abs=0.1)
    assert finding.numbers["growth_of_cpu_time"] is None
    assert found(make(1000), "latency-drift").verdict == "clear"
    assert found(make(100), "latency-drift").verdict == STARVED


def test_a_process_that_becomes_slower_altogether_has_no_growing_data(make, found):
    drift = make(1000).every("wall_ns", lambda each: 2 * MS + 2000 * each)
    assert found(drift, "latency-drift").severity == "cost"
    drift.every("gap_ns", lambda each: MS // 2 + 400 * each)
    slower = found(drift, "latency-drift")
    assert (slower.verdict, slower.severity) == ("flagged", "info")
    assert "whole process" in slower.remedy
    drift.every("gap_ns", lambda each: MS // 2 + 120 * each)
    assert found(drift, "latency-drift").severity == "cost"


@pytest.mark.parametrize(("growth", "severity"), [(0.4, "info"), (1.2, "cost")])
def test_beside_other_programs_a_small_growth_may_be_theirs(make, found, growth, severity):
    run = make(1000).every("wall_ns", lambda each: int(2 * MS * (1 + growth * each / 1000)))
    assert found(run, "latency-drift").severity == "cost"
    run.also(*[Machine(time_ns=each * MS * 1000, processor_wait_ns=each * MS * 400) for each in range(5)])
    finding = found(run, "latency-drift")
    assert (finding.verdict, finding.severity) == ("flagged", severity)


def test_more_neighbours_explain_longer_calls(make, found):
    run = make(1000).every("wall_ns", lambda each: 2 * MS + 1000 * each)
    finding = found(run.every("counts", lambda each: {"edges": 1000 + each}), "latency-drift")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert "physical" in finding.remedy


def test_a_flat_size_sweep_is_overhead(make, verdict):
    def sweep(exponent):
        run = make(300)
        run.every("n_atoms", lambda each: 10 * 4 ** (each // 100), [0, 100, 200])
        return run.every("wall_ns", lambda each: int(MS * 4 ** (exponent * (each // 100))))

    assert verdict(sweep(0.05), "overhead-bound") == "flagged"
    assert verdict(sweep(1.0), "overhead-bound") == "clear"
    assert verdict(make(300), "overhead-bound") == STARVED


def window(launches, busy_ns, number=2):
    seen = {} if launches is None else {"launches": launches * number, "device_busy_ns": busy_ns * number}
    return TraceWindow(
        window=1,
        tracer="torch.profiler",
        index=50,
        calls=number,
        start_ns=100 * MS,
        wall_ns=number * 5 * MS,  # a tracer makes calls longer: the others take 2.025 ms
        profiler_ns=0,
        operations=[],
        **seen,
    )


def test_a_device_that_waits_for_very_many_launches_is_overhead(make, found):
    finding = found(make(300).also(window(600, MS // 2)), "overhead-bound")
    assert finding.verdict == "flagged"
    assert finding.numbers["launches_per_call"] == 600
    assert finding.numbers["device_busy_share"] == pytest.approx(0.5 / 2.025, rel=0.01)
    inside = 2.025 / 2.125  # of the wall time
    assert finding.saving_share == pytest.approx(inside * (1 - 0.5 / 2.025), rel=0.01)


def test_a_busy_device_or_few_launches_are_not_overhead(make, found):
    assert found(make(300).also(window(600, int(1.5 * MS))), "overhead-bound").verdict == "clear"
    assert found(make(300).also(window(100, MS // 2)), "overhead-bound").verdict == "clear"
    assert found(make(300).also(window(None, 0)), "overhead-bound").verdict == STARVED


def test_a_flat_sweep_is_overhead_whatever_a_window_shows(make, verdict):
    run = make(300).every("n_atoms", lambda each: 10 * 4 ** (each // 100), [0, 100, 200])
    assert verdict(run.also(window(100, MS)), "overhead-bound") == "flagged"


def test_pauses_of_the_scheduler_beside_other_programs_are_no_long_calls(make, found):
    def paused():
        return make(800).every(
            "wall_ns",
            lambda each: 16 * MS if each in {50, 111, 203, 340, 350, 477, 590, 601, 700, 777} else MS // 2,
        )

    waited = [Machine(time_ns=each * 100 * MS, processor_wait_ns=each * 40 * MS) for each in range(6)]
    assert found(paused(), "long-calls").verdict == "flagged"
    assert found(paused().also(*waited), "long-calls").verdict == "clear"
