"""Inside calls: compilation, groups, the device, counts; worked out by hand."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import Call, Lane


def call(index: int, start: int, wall: int, **fields) -> Call:
    return Call(index=index, start_ns=start, wall_ns=wall, **fields)


def lane(number: int, **groups: str) -> Lane:
    return Lane(lane=number, calculator="a.Calculator", seen_by="twin", groups=groups)


def test_calls_that_compiled_are_in_no_latency_statistic(summarized):
    summary = summarized(
        call(0, 0, 9000, compile_ns={"f": 8000}),
        call(1, 10_000, 100),
        call(2, 11_000, 300),
        call(3, 12_000, 5000, compile_ns={"f": 3000, "g": 1000}),
    )
    assert summary.latency.calls == 2
    assert summary.latency.max_ns == 300
    found = summary.compilation
    assert found.calls == [0, 3]
    assert found.calls_ns == 14_000
    assert found.compile_ns == 12_000
    assert list(found.functions.items()) == [("f", 11_000), ("g", 1000)]


def test_calls_that_compiled_are_not_warm_up_as_well(summarized):
    first = [call(0, 0, 90_000, compile_ns={"f": 80_000})]
    slow = [call(n, n * 100_000, 10_000) for n in (1, 2)]
    rest = [call(n, n * 100_000, 1000 + n) for n in range(3, 30)]
    summary = summarized(*first, *slow, *rest)
    assert summary.warmup.calls == 2
    assert summary.warmup.wall_ns == 20_000
    assert summary.latency.calls == 27


def test_a_run_in_which_every_call_compiled_has_no_latency(summarized):
    summary = summarized(call(0, 0, 50, compile_ns={"f": 40}), call(1, 60, 50, compile_ns={"f": 40}))
    assert summary.latency is None
    assert summary.us_per_atom is None
    assert [slow.index for slow in summary.slowest] == [0, 1]


def test_without_compilation_nothing_is_said_of_it(summarized):
    assert summarized(call(0, 0, 50)).compilation is None


def test_compilation_is_the_cause_of_a_slow_call(summarized):
    second = 10**9
    usual = [call(n, n * second, 1000) for n in range(4)]
    summary = summarized(
        *usual,
        call(4, 4 * second, 3 * second, compile_ns={"energy_and_forces": 23 * second // 10}, gc_ns=second),
        call(5, 8 * second, 2 * second, compile_ns={"a": second, "b": second // 2, "c": 0}),
        call(6, 11 * second, second, compile_ns={"a": second // 100}),
    )
    causes = [slow.cause for slow in summary.slowest[:3]]
    assert causes == ["compiled energy_and_forces, 2.30 s", "compiled a and 2 more, 1.50 s", None]


def test_a_nested_calls_compilation_counts_once(summarized):
    summary = summarized(call(1, 10, 60, parent=0, compile_ns={"f": 50}), call(0, 0, 100), call(2, 200, 7))
    assert summary.compilation.calls == [0]
    assert summary.compilation.calls_ns == 100
    assert summary.compilation.compile_ns == 50
    assert summary.latency.max_ns == 7


def test_components_know_their_groups_and_groups_their_sums(summarized):
    summary = summarized(
        lane(0, graph="neighbours", encoder="model", decoder="model", forces="forces", host=""),
        call(
            0, 0, 100, lane=0, components={"graph": 20, "encoder": 30, "decoder": 15, "forces": 9, "host": 6}
        ),
    )
    breakdown = summary.breakdown
    known = {part.name: part.group for part in breakdown.parts if part.kind == "component"}
    assert known == {
        "encoder": "model",
        "graph": "neighbours",
        "decoder": "model",
        "forces": "forces",
        "host": None,
    }
    assert list(breakdown.groups.items()) == [("model", 45), ("neighbours", 20), ("forces", 9)]
    assert not breakdown.one_pass


def test_groups_without_energy_and_forces_mean_one_pass(summarized):
    row = call(0, 0, 100, lane=0, components={"graph": 20})
    assert summarized(lane(0, graph="neighbours"), row).breakdown.one_pass
    assert not summarized(lane(0, graph="neighbours", head="energy"), row).breakdown.one_pass
    assert not summarized(lane(0, graph=""), row).breakdown.one_pass


def test_a_name_with_two_meanings_has_no_group(summarized):
    row = call(0, 0, 100, components={"graph": 20, "head": 10})
    groups = summarized(lane(0, graph="neighbours", head="energy"), lane(1, graph="model"), row)
    assert groups.breakdown.groups == {"energy": 10}


def test_the_rest_of_the_wall_time_is_outside_the_parts(summarized):
    summary = summarized(
        call(0, 0, 100, device_ns={"graph": 10, "model": 30}),
        call(1, 200, 200, device_ns={"model": 50}),
        call(2, 500, 400),
        call(3, 1000, 900, device_ns={"model": 800}, failure="RuntimeError"),
    )
    device = summary.device
    assert device.calls == 2
    assert device.wall_ns == 300
    assert list(device.stream_ns.items()) == [("model", 80), ("graph", 10)]
    assert device.rest_ns == 210


def test_parts_longer_than_the_wall_time_leave_the_rest_unknown(summarized):
    device = summarized(call(0, 0, 100, device_ns={"a": 70, "b": 60})).device
    assert device.stream_ns == {"a": 70, "b": 60}
    assert device.rest_ns is None


def test_device_times_are_not_host_times(summarized):
    summary = summarized(call(0, 0, 100, components={"a": 20}, device_ns={"a": 90}))
    assert summary.breakdown.parts[0].wall_ns == 20
    assert summarized(call(0, 0, 100, components={"a": 20})).device is None


def test_counts_are_about_the_calls_that_have_them(summarized):
    edges, overflows = summarized(
        call(0, 0, 10, counts={"edges": 100, "overflows": 0}),
        call(1, 20, 10),
        call(2, 40, 10, counts={"edges": 140, "overflows": 1}),
        call(3, 60, 10, counts={"overflows": 1}),
    ).counts
    assert (edges.name, edges.calls, edges.total, edges.mean) == ("edges", 2, 240, 120)
    assert (edges.min, edges.max) == (100, 140)
    assert (overflows.calls, overflows.total) == (3, 2)
    assert overflows.mean == pytest.approx(2 / 3)


def test_device_memory_has_start_end_and_peak(summarized):
    summary = summarized(
        call(0, 0, 10, device_allocated_bytes=100, device_reserved_bytes=200),
        call(1, 20, 10, device_allocated_bytes=180, device_reserved_bytes=240),
        call(2, 40, 10, device_allocated_bytes=150),
    )
    allocated, reserved = summary.device_allocated, summary.device_reserved
    assert (allocated.start_bytes, allocated.end_bytes, allocated.peak_bytes) == (100, 150, 180)
    assert (reserved.start_bytes, reserved.end_bytes, reserved.peak_bytes) == (200, 240, 240)
    assert reserved.samples == 2
    assert summary.memory is None
