"""Slices become exclusive sums: by component, over threads, and on a device."""

from __future__ import annotations

import json

from instrumented_calc.capture.tracing.chrome_file import chrome_trace
from instrumented_calc.capture.tracing.slices import RANGE, TracedSlice
from instrumented_calc.capture.tracing.sums import BETWEEN, MOST_OPERATIONS, sum_slices
from instrumented_calc.journal.vocabulary import OTHER

CALL = TracedSlice(0, 1000, RANGE, 1)
PART = TracedSlice(100, 500, f"{RANGE}part", 1)


def by_kind(slices):
    return {(each.component, each.operation): each for each in sum_slices(slices).operations}


def test_inner_time_is_subtracted():
    found = by_kind([TracedSlice(250, 300, "inner", 1), TracedSlice(200, 400, "outer", 1), PART, CALL])
    assert {key: each.self_ns for key, each in found.items()} == {
        ("", BETWEEN): 600,
        ("part", BETWEEN): 200,
        ("part", "outer"): 150,
        ("part", "inner"): 50,
    }


def test_slices_that_begin_together_nest_by_their_length():
    found = by_kind([TracedSlice(0, 10, "short", 1), TracedSlice(0, 900, "long", 1), CALL])
    assert found["", "long"].self_ns == 890
    assert found["", "short"].self_ns == 10


def test_a_slice_that_ends_a_little_after_the_one_around_it_is_cut():
    found = by_kind([TracedSlice(990, 1003, "late", 1), CALL])
    assert (found["", "late"].self_ns, found["", BETWEEN].self_ns) == (10, 990)


def test_work_of_another_thread_belongs_to_the_component_that_is_open_then():
    found = by_kind([TracedSlice(300, 700, "a", 2), TracedSlice(600, 700, "b", 3), PART, CALL])
    assert found["part", "a"].self_ns == 400
    assert found["", "b"].self_ns == 100
    assert found["", BETWEEN].self_ns + found["part", BETWEEN].self_ns == 1000


def test_a_devices_time_is_the_launching_operations_and_a_time_of_its_own():
    launch = TracedSlice(200, 210, "aten::mm", 1, link=7)
    kernels = [
        TracedSlice(300, 350, "gemm", 7, on_device=True, link=7),
        TracedSlice(340, 400, "add", 8, on_device=True),
    ]
    found = by_kind([launch, *kernels, PART, CALL])
    assert (found["part", "aten::mm"].self_ns, found["part", "aten::mm"].device_ns) == (10, 50)
    assert found["part", "aten::mm"].calls == 1
    assert found["part", "add"].device_ns == 60
    sums = sum_slices([launch, *kernels, PART, CALL])
    assert (sums.launches, sums.busy_ns) == (2, 100)


def test_beyond_the_limit_each_component_has_one_sum_of_the_others():
    many = [TracedSlice(2 * n, 2 * n + 2 if n < 256 else 2 * n + 1, f"op{n}", 1) for n in range(400)]
    sums = sum_slices([CALL, *many])
    assert len(sums.operations) == MOST_OPERATIONS + 1
    other = next(each for each in sums.operations if each.operation == OTHER)
    assert sums.left_out == other.calls == 400 + 1 - MOST_OPERATIONS
    assert sum(each.self_ns for each in sums.operations) == 1000


def test_ranges_alone_are_an_empty_window():
    assert sum_slices([CALL, PART]).is_empty
    assert not sum_slices([CALL, TracedSlice(0, 1, "op", 1)]).is_empty


def test_a_chrome_trace_that_is_too_large_keeps_ranges_and_the_longest():
    many = [TracedSlice(100 + 10 * n, 101 + 10 * n + n % 7, "op", 1, "[2,3]") for n in range(80)]
    text, left_out = chrome_trace([CALL, PART, *many], "title", 5000)
    assert len(text) <= 5000
    trace = json.loads(text)
    slices = [each for each in trace["traceEvents"] if each["ph"] == "X"]
    assert len(slices) == 82 - left_out
    assert [each["name"] for each in slices][:2] == ["calculate", "part"]
    longest = sorted((each.end_ns - each.start_ns for each in many), reverse=True)[: len(slices) - 2]
    assert sorted((round(1e3 * each["dur"]) for each in slices[2:]), reverse=True) == longest
    assert trace["otherData"]["left out"].startswith(f"the {left_out} shortest")


def test_a_chrome_trace_has_the_device_as_a_process_of_its_own():
    text, left_out = chrome_trace([CALL, TracedSlice(10, 20, "gemm", 7, on_device=True)], "title")
    events = {each["name"]: each for each in json.loads(text)["traceEvents"] if each["ph"] == "X"}
    assert events["gemm"]["pid"] != events["calculate"]["pid"]
    assert left_out == 0


def test_components_and_names_that_a_program_invents_are_bounded():
    call = TracedSlice(0, 10_000, RANGE, 1)
    parts = [TracedSlice(4 * n, 4 * n + 4, f"{RANGE}frame {n}", 1) for n in range(2000)]
    inner = [TracedSlice(4 * n, 4 * n + 3, f"op{n}" + "x" * 1000, 1) for n in range(2000)]
    sums = sum_slices([call, *parts, *inner])
    assert len(sums.operations) <= MOST_OPERATIONS + 257
    assert sum(each.self_ns for each in sums.operations) == 10_000
    assert max(len(each.operation) for each in sums.operations) == 200
