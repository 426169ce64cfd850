"""Planted, healthy and starved runs for the rules on memory."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.journal.records import Environment, Machine, State, TraceWindow

STARVED = "not enough evidence"
BASE = 200_000_000
CUDA = {"device": "cuda:0"}


def held(run, growth, field="rss_bytes", every=10):
    return run.every(field, lambda each: BASE + int(growth(each)), range(0, len(run.calls), every))


def test_a_leak_is_reported_with_its_rate_and_the_way_to_the_limit(make, found):
    finding = found(held(make(2000), lambda each: 2000 * each), "host-growth")
    assert (finding.verdict, finding.severity) == ("flagged", "wrong")
    assert finding.numbers["kb_per_step"] == pytest.approx(2.0, rel=0.01)
    assert finding.numbers["steps_to_the_limit"] == pytest.approx((16e9 - 204e6) / 2000, rel=0.01)
    assert "MB per million steps" in finding.headline
    assert found(held(make(2000), lambda _: 0), "host-growth").verdict == "clear"
    assert found(held(make(300), lambda each: 1000 * each), "host-growth").verdict == STARVED
    assert found(make(2000), "host-growth").verdict == STARVED


def test_memory_that_a_relaxation_keeps_ends_no_run(make, found):
    relaxed = held(
        make(2000, kind="optimizer"), lambda each: 200_000 * each
    )  # the limit is 77,000 steps away
    assert found(relaxed, "host-growth").severity == "info"
    soon = held(make(2000, Environment(memory_bytes=10**9), kind="optimizer"), lambda each: 200_000 * each)
    assert found(soon, "host-growth").severity == "wrong"


def test_the_limit_of_the_cgroup_counts(make, found):
    environment = Environment(memory_bytes=10**12, cgroup_memory_bytes=10**9)
    finding = found(held(make(2000, environment), lambda each: 4000 * each), "host-growth")
    assert finding.numbers["limit_mb"] == 1000


@pytest.mark.parametrize(
    "shape",
    [
        lambda each: 1e8 * (1 - np.exp(-each / 200)),
        lambda each: -3000 * each,
        lambda each: 5e7 * (each > 900),
        lambda each: 1e5 * (each % 100),
    ],
)
def test_saturating_falling_jumping_or_periodic_memory_is_not_a_leak(make, verdict, shape):
    assert verdict(held(make(2000), shape), "host-growth") != "flagged"


def test_the_jump_at_the_first_trace_window_is_taken_out(make, found):
    window = TraceWindow(
        window=1,
        tracer="torch.profiler",
        index=1000,
        calls=3,
        start_ns=2_110_000_000,
        wall_ns=10_000_000,
        profiler_ns=0,
        operations=[],
    )
    run = held(make(2000), lambda each: 1e8 * (each >= 1000)).also(window)
    finding = found(run, "host-growth")
    assert finding.verdict == "clear"
    assert finding.numbers["trace_window_taken_out"] == "true"


def test_device_memory_is_judged_alike(make, found):
    leak = held(make(2000, model=CUDA), lambda each: 4000 * each, "device_allocated_bytes")
    assert found(leak, "device-growth").verdict == "flagged"
    even = held(make(2000, model=CUDA), lambda _: 0, "device_allocated_bytes")
    assert found(even, "device-growth").verdict == "clear"
    assert found(make(2000, model=CUDA), "device-growth").verdict == STARVED


def test_memory_that_follows_the_edges_is_density_and_no_leak(make, found):
    run = held(make(2000), lambda each: 8000 * each).every("counts", lambda each: {"edges": 1000 + each})
    assert found(run, "host-growth").verdict == "clear"
    finding = found(run, "density-driven")
    assert finding.verdict == "clear"
    assert "follows edges" in finding.headline
    run.environment = Environment(memory_bytes=220_000_000)
    assert found(run, "density-driven").verdict == "flagged"
    assert found(make(2000), "density-driven").verdict == STARVED


def test_memory_that_comes_with_compilations_is_a_cache(make, found):
    rows = range(5, 2000, 200)
    run = held(make(2000), lambda each: 2e7 * ((each + 195) // 200))
    finding = found(run.every("compile_ns", lambda _: {"f": 1000}, rows), "shape-cache-growth")
    assert finding.verdict == "flagged"
    assert "compilations" in finding.headline
    leak = held(make(2000), lambda each: 4000 * each).every("compile_ns", lambda _: {"f": 1000}, rows)
    assert found(leak, "shape-cache-growth").verdict == "clear"
    assert found(make(2000), "shape-cache-growth").verdict == STARVED


def test_a_retained_graph_is_grave_only_where_memory_grows(make, found):
    environment = Environment(torch={"default_dtype": "float32"})
    kept = State(index=5, graph_retained=["energy"])
    alone = found(make(2000, environment).also(kept), "graph-retained")
    assert (alone.verdict, alone.severity) == ("flagged", "info")
    leak = held(make(2000, environment), lambda each: 4000 * each).also(kept)
    assert found(leak, "graph-retained").severity == "wrong"
    assert found(make(2000, environment).also(State(index=5)), "graph-retained").verdict == "clear"
    assert found(make(2000, environment), "graph-retained").verdict == STARVED


def test_a_pool_far_larger_than_its_content_is_fragmented(make, verdict):
    def pool(reserved):
        run = held(make(100, model=CUDA), lambda _: 0, "device_peak_bytes")
        return run.every("device_reserved_bytes", lambda _: reserved, range(0, 100, 10))

    assert verdict(pool(900_000_000), "fragmentation") == "flagged"
    assert verdict(pool(300_000_000), "fragmentation") == "clear"
    assert verdict(make(100, model=CUDA), "fragmentation") == STARVED


def test_memory_that_calls_use_and_return_is_no_fragmentation(make, verdict):
    run = held(make(100, model=CUDA), lambda _: 700_000_000, "device_peak_bytes")
    run.every("device_allocated_bytes", lambda _: 100_000_000, range(0, 100, 10))
    run.every("device_reserved_bytes", lambda _: 900_000_000, range(0, 100, 10))
    assert verdict(run, "fragmentation") == "clear"


def read(run, growth, field, every=20):
    """Add records of the machine: a call of the run comes every 2.125 ms."""
    times = range(0, len(run.calls), every)
    return run.also(
        *(Machine(time_ns=each * 2_125_000 + 10**6, **{field: BASE + int(growth(each))}) for each in times)
    )


def test_jax_device_memory_is_judged_if_torch_reports_none(make, found):
    finding = found(read(make(2000, model=CUDA), lambda each: 4000 * each, "jax_bytes"), "device-growth")
    assert finding.verdict == "flagged"
    assert finding.numbers["sampled"] == "jax"
    assert finding.numbers["kb_per_step"] == pytest.approx(4.0, rel=0.02)
    assert found(read(make(2000), lambda _: 0, "jax_bytes"), "device-growth").verdict == "clear"
    few = read(make(2000), lambda each: 4000 * each, "jax_bytes", every=500)
    assert found(few, "device-growth").verdict == STARVED


def test_a_forked_worker_is_judged_by_its_own_share_of_the_pages(make, found):
    worker = read(held(make(2000), lambda each: 4000 * each), lambda _: 0, "pss_bytes")
    finding = found(worker, "host-growth")
    assert (finding.verdict, finding.numbers["sampled"]) == ("clear", "pss")
    leak = read(held(make(2000), lambda _: 0), lambda each: 4000 * each, "pss_bytes")
    assert found(leak, "host-growth").verdict == "flagged"
    seldom = read(held(make(2000), lambda _: 0), lambda each: 4000 * each, "pss_bytes", every=500)
    assert found(seldom, "host-growth").numbers["sampled"] == "rss"


def test_samples_inside_trace_windows_alone_are_none(make, verdict):
    run = (
        make(40).every("rss_bytes", lambda _: BASE, range(10, 20)).every("window", lambda _: 1, range(10, 20))
    )
    assert verdict(run, "host-growth") == STARVED
