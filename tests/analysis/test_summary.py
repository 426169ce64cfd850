"""Figures of small runs, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs
from tests.journal.buckets import bucket_of

from instrumented_calc.analysis.targets import check_target, parse_target
from instrumented_calc.journal.records import Call, Counters, Lane, Machine, Phase, RunEnd, Slice

MD = Phase(phase=0, driver="ase.md.verlet.VelocityVerlet", kind="md", index=0, timestep_fs=2.0)
RELAXATION = Phase(phase=1, driver="ase.optimize.BFGS", kind="optimizer", index=0)


def call(index: int, start: int, wall: int, **fields) -> Call:
    return Call(index=index, start_ns=start, wall_ns=wall, **fields)


def shares(breakdown) -> dict[str, int]:
    assert all(part.wall_ns >= 0 for part in breakdown.parts)
    assert sum(part.wall_ns for part in breakdown.parts) == breakdown.wall_ns
    return {part.name: part.wall_ns for part in breakdown.parts}


def test_a_breakdown_adds_up_to_the_wall_time(summarized):
    summary = summarized(
        MD,
        call(0, 100, 50, lane=0, phase=0, step=0, components={"a": 30}, observers_ns=9, self_ns=4),
        call(1, 200, 50, step=0, components={"a": 20, "b": 5}, observers_ns=10),
        call(2, 300, 60, step=1, components={"a": 20}, observers_ns=15, self_ns=11),
    )
    assert shares(summary.breakdown) == {
        "a": 70,
        "b": 5,
        "other in the calculator": 85,
        "observers": 25,
        "integrator": 68,
        "profiler": 7,
    }
    assert summary.wall_ns == 260
    assert summary.breakdown.concurrency == 1


def test_a_driver_whose_time_the_recorder_hides_has_none(summarized):
    """A part of the recorder's time was that of its thread, beside the calls: what it left is not known."""
    rows = [call(0, 0, 100, lane=0, phase=0, step=0, self_ns=0), call(1, 200, 100, step=1, self_ns=150)]
    assert shares(summarized(MD, *rows).breakdown) == {"calculator": 200, "profiler": 100}


def test_without_a_driver_the_rest_is_outside_the_calculator(summarized):
    summary = summarized(call(0, 0, 40), call(1, 100, 60))
    assert shares(summary.breakdown) == {"calculator": 100, "outside the calculator": 60}
    assert summary.speed is None


def test_nested_calls_count_once(summarized):
    summary = summarized(call(1, 10, 30, parent=0), call(0, 0, 50), call(2, 60, 40))
    assert shares(summary.breakdown) == {"calculator": 90, "outside the calculator": 10}
    assert summary.evaluations.calls == 2
    assert summary.evaluations.nested == 1
    assert summary.latency.calls == 2


def test_overlapping_calls_share_the_time_when_any_ran(summarized):
    summary = summarized(
        call(0, 0, 100, components={"a": 50}),
        call(1, 50, 100, components={"a": 50}),
        call(2, 200, 50, components={"a": 25}),
    )
    assert shares(summary.breakdown) == {
        "a": 100,
        "other in the calculator": 100,
        "outside the calculator": 50,
    }
    assert summary.breakdown.concurrency == pytest.approx(1.25)


def test_components_longer_than_their_call_do_not_make_a_rest_negative(summarized):
    summary = summarized(call(0, 0, 100, components={"a": 150}), call(1, 100, 100))
    assert shares(summary.breakdown)["other in the calculator"] == 0


def test_md_steps_and_speed(summarized):
    rows = [call(0, 0, 10**6, lane=0, phase=0, n_atoms=4, step=0)]
    rows += [call(n, n * 2 * 10**6, 10**6, step=n - 1) for n in range(1, 11)]
    summary = summarized(MD, *rows)
    assert summary.speed.steps == 10
    assert summary.speed.wall_ns == 21 * 10**6
    assert summary.speed.ms_per_step == pytest.approx(2.1)
    assert summary.speed.steps_per_s == pytest.approx(1e3 / 2.1)
    # 20 fs in 21 ms
    assert summary.speed.ns_per_day == pytest.approx(20e-6 / 0.021 * 86_400)
    assert summary.evaluations.per_step == pytest.approx(1.1)
    assert summary.us_per_atom == pytest.approx(250)


@pytest.mark.parametrize(("failure", "steps"), [({}, 3), ({"failure": "KeyboardInterrupt"}, 2)])
def test_a_step_that_an_exception_ends_is_not_counted(failure, steps, summarized):
    rows = [call(0, 0, 100, lane=0, phase=0, n_atoms=4, step=0)]
    rows += [call(n, n * 200, 100, step=n - 1, **(failure if n == 3 else {})) for n in range(1, 4)]
    assert summarized(MD, *rows).speed.steps == steps


def test_phases_are_distinguished_and_md_alone_gives_the_simulated_time(summarized):
    summary = summarized(
        RELAXATION,
        call(0, 0, 100, lane=0, phase=1, step=0),
        call(1, 200, 100, step=1),
        call(2, 400, 100, step=2),
        Phase(phase=2, driver="V", kind="md", index=3, timestep_fs=1.0),
        call(3, 1000, 100, phase=2, step=0),
        call(4, 1200, 100, step=1),
    )
    relaxation, md = summary.phases
    assert (relaxation.speed.steps, relaxation.wall_ns, relaxation.calls) == (2, 500, 3)
    assert relaxation.speed.ns_per_day is None
    assert (md.speed.steps, md.wall_ns) == (2, 300)
    assert (summary.speed.steps, summary.speed.wall_ns) == (2, 300)
    assert shares(relaxation.breakdown)["optimizer and observers"] == 200
    assert shares(summary.breakdown)["drivers and observers"] == 800


def test_the_time_of_drivers_that_take_turns_counts_once(summarized):
    """Two replicas of ten steps each, advanced in turn by one step of 10 ns."""
    phases = [Phase(phase=n, driver="ase.md.langevin.Langevin", kind="md", index=n) for n in (0, 1)]
    calls = [call(n, 10 * n, 10, lane=n % 2, phase=n % 2, step=max(n // 2 - 1, 0)) for n in range(22)]
    speed = summarized(*phases, *calls).speed
    assert (speed.steps, speed.wall_ns) == (20, 220)


def test_failed_calls_are_counted_apart_by_class(summarized):
    summary = summarized(call(0, 0, 10), call(1, 20, 500, failure="KeyError"), call(2, 600, 10))
    assert summary.failures == {"KeyError": 1}
    assert summary.evaluations.failed == 1
    assert summary.latency.max_ns == 10


def test_an_answer_that_a_property_is_not_implemented_is_no_failure(summarized):
    rows = [call(0, 0, 10), call(1, 20, 500, failure="PropertyNotImplementedError"), call(2, 600, 10)]
    summary = summarized(*rows)
    assert summary.failures == {}
    assert summary.evaluations.failed == 0
    assert summary.latency.max_ns == 10
    assert check_target(parse_target("failed==0"), summary).verdict == "passed"
    sliced = structs.replace(thinned(), failed=3, not_implemented=2)
    assert summarized(MD, sliced).evaluations.failed == 1


def test_a_repeated_geometry_shows_in_calls_per_geometry(summarized):
    summary = summarized(call(0, 0, 1, changes=["positions"]), call(1, 2, 1), call(2, 4, 1, changes=[]))
    assert summary.evaluations.per_geometry == pytest.approx(1.5)
    assert summarized(call(0, 0, 1)).evaluations.per_geometry is None


def test_percentiles_agree_with_numpy(summarized):
    wall = np.random.default_rng(0).integers(10**6, 2 * 10**6, 1234)
    summary = summarized(*(call(n, n * 3 * 10**6, int(each)) for n, each in enumerate(wall)))
    latency = summary.latency
    found = [latency.median_ns, latency.p90_ns, latency.p95_ns, latency.p99_ns, latency.p999_ns]
    assert found == pytest.approx(np.percentile(wall, [50, 90, 95, 99, 99.9]))
    assert latency.mean_ns == pytest.approx(wall.mean())
    assert latency.std_ns == pytest.approx(wall.std(ddof=1))
    assert (latency.min_ns, latency.max_ns) == (wall.min(), wall.max())
    assert latency.exact


def test_the_slowest_calls_carry_their_cause(summarized):
    rows = [call(n, n * 1000, 100, n_atoms=4, minor_faults=1, major_faults=0) for n in range(30)]
    rows[10] = call(10, 10_000, 900, step=9, gc_ns=700, gc_generation=2)
    rows[20] = call(20, 20_000, 800, n_atoms=5)
    rows[25] = call(25, 25_000, 700, n_atoms=4, major_faults=3)
    rows[28] = call(28, 28_000, 600, n_atoms=4)
    slowest = summarized(*rows).slowest
    assert [(slow.index, slow.cause) for slow in slowest[:4]] == [
        (10, "GC gen 2"),
        (20, "first call with 5 atoms"),
        (25, "page faults from disk"),
        (28, None),
    ]
    assert slowest[0].step == 9


def test_what_happens_in_every_call_or_takes_no_time_is_no_cause(summarized):
    ms = 1_000_000
    rows = [call(n, n * 5000 * ms, 100 * ms, n_atoms=4, gc_ns=20 * ms, gc_generation=0) for n in range(30)]
    rows[10] = call(10, 50_000 * ms, 140 * ms, gc_ns=21 * ms, gc_generation=0)  # usual collection
    rows[20] = call(20, 100_000 * ms, 1760 * ms, gc_ns=190_000, gc_generation=0)  # 0.01 % of the excess
    slowest = summarized(*rows).slowest
    assert [(slow.index, slow.cause) for slow in slowest] == [
        (20, None),
        (10, None),
        *[(n, None) for n in (0, 1, 2)],
    ]


def test_one_page_fault_does_not_explain_a_second(summarized):
    rows = [call(n, n * 5000, 100, n_atoms=4, major_faults=n, preemptions=2 * n) for n in range(30)]
    rows[25] = call(25, 125_000, 10**9, major_faults=26, preemptions=51)
    assert summarized(*rows).slowest[0].cause is None
    rows[26:] = [call(n, n * 10**9, 100, major_faults=100 + n, preemptions=2 * n) for n in range(26, 30)]
    rows[25] = call(25, 125_000, 10**9, major_faults=125, preemptions=50)
    assert summarized(*rows).slowest[0].cause == "page faults from disk"


def test_the_first_call_of_a_size_is_a_cause_only_if_it_is_slower_than_the_others(summarized):
    rows = [call(n, n * 5000, 100, n_atoms=4) for n in range(30)]
    rows += [call(n, n * 5000, 1000, n_atoms=9) for n in range(30, 33)]
    assert {slow.cause for slow in summarized(*rows).slowest[:3]} == {None}


def thinned() -> Slice:
    histogram = [(bucket_of(1_000_000), 60), (bucket_of(3_000_000), 40)]
    return Slice(
        start_ns=2_000_000,
        end_ns=402_000_000,
        calls=101,
        nested=2,
        failed=1,
        unchanged=0,
        wall_ns=180_000_000,
        gap_ns=0,
        min_ns=1_000_000,
        max_ns=3_000_000,
        squares_ns2=60 * 1e12 + 40 * 9e12,
        atom_calls=400,
        histogram=histogram,
        phase=0,
        first_step=1,
        last_step=100,
        components={"a": 100_000_000},
    )


def test_thinned_stretches_are_exact_in_total_and_counted_once(summarized):
    summary = summarized(
        MD,
        call(0, 0, 1_000_000, lane=0, phase=0, n_atoms=4, step=0, components={"a": 500_000}),
        call(5, 10_000_000, 3_000_000, step=4, sliced=True, components={"a": 1_000_000}),
        thinned(),
    )
    assert summary.evaluations.calls == 102
    assert summary.evaluations.nested == 2
    assert summary.evaluations.failed == 1
    assert summary.speed.steps == 101
    assert summary.latency.calls == 101
    assert not summary.latency.exact
    assert summary.latency.mean_ns == pytest.approx(181_000_000 / 101)
    assert summary.latency.std_ns == pytest.approx(np.std([1e6] * 61 + [3e6] * 40, ddof=1))
    assert summary.latency.median_ns == pytest.approx(1e6, rel=0.016)
    assert summary.latency.p95_ns == pytest.approx(3e6, rel=0.016)
    assert summary.us_per_atom == pytest.approx(181_000 / 404)
    assert shares(summary.breakdown)["a"] == 100_500_000
    assert summary.wall_ns == 402_000_000


def test_a_slice_without_a_histogram_says_nothing_of_latency(summarized):
    damaged = structs.replace(thinned(), histogram=[])
    assert summarized(MD, damaged).latency is None
    alone = summarized(MD, call(0, 0, 1_000_000, lane=0, phase=0, n_atoms=4, step=0), damaged)
    assert (alone.latency.calls, alone.latency.median_ns) == (1, 1_000_000)
    assert alone.evaluations.calls == 102


def test_counters_come_from_the_end_of_the_run(summarized):
    counters = Counters(calls=1, get_property=5, cache_hits=3, not_implemented=1)
    end = RunEnd(reason="closed", time_ns=9, ended="2026-01-01T00:00:01Z", counters=counters)
    seen = summarized(call(0, 0, 5), end).evaluations
    assert (seen.get_property, seen.cache_hits, seen.not_implemented) == (5, 3, 1)
    assert summarized(call(0, 0, 5)).evaluations.cache_hits is None


def test_memory_and_cpu_are_read_off_the_samples(summarized):
    rows = [call(n, 1000 * n, 500, step=n, rss_bytes=10_000 + 2_000 * n, cpu_ns=2000 * n) for n in range(5)]
    summary = summarized(*rows)
    assert summary.memory.slope_bytes == pytest.approx(2_000)
    assert summary.memory.per == "step"
    assert (summary.memory.start_bytes, summary.memory.peak_bytes) == (10_000, 18_000)
    assert summary.cpu_per_wall == pytest.approx(2)


def test_the_peak_of_memory_is_the_one_that_the_system_has_kept(summarized):
    rows = [call(n, 1000 * n, 500, rss_bytes=10_000) for n in range(5)]
    assert summarized(*rows, Machine(time_ns=1, peak_rss_bytes=12_000)).memory.peak_bytes == 12_000
    end = RunEnd("closed", 9_000, "", Counters(), peak_rss_bytes=50_000)
    assert summarized(*rows, end).memory.peak_bytes == 50_000


def test_unmeasured_values_are_none(summarized):
    summary = summarized()
    assert summary.latency is None
    assert summary.breakdown is None
    assert summary.memory is None
    assert summary.cpu_per_wall is None
    assert summary.us_per_atom is None


def test_each_calculator_is_summed_apart(summarized):
    lanes = [Lane(lane=n, calculator=f"m.C{n}", seen_by="twin") for n in range(2)]
    rows = [call(n, 100 * n, 10 if n % 2 else 30, lane=n % 2) for n in range(6)]
    first, second = summarized(*lanes, *rows).lanes
    assert (first.number, first.calls, first.wall_ns, first.median_ns) == (0, 3, 90, 30)
    assert (second.number, second.calls, second.wall_ns) == (1, 3, 30)
