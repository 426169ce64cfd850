"""Trace windows in numbers: their calls stand apart, their operations are summed."""

from __future__ import annotations

import msgspec
import pytest

from instrumented_calc.analysis.contractions.traces import host_ns, measure_traces
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal

START = records.RunStart(
    schema=records.SCHEMA, run_id="r", started="2026-01-01T00:00:00Z", pid=1, version="0.1.0"
)
MS = 10**6


@pytest.fixture
def journal(tmp_path):
    def of(*made: records.Record):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (START, *made)))
        return read_journal(path)

    return of


def calls(traced: set[int], number: int = 100, wall: int = MS, slow: int = 3 * MS) -> list[records.Call]:
    rows = [records.Call(index=n, start_ns=10 * n * MS, wall_ns=wall, gap_ns=MS) for n in range(number)]
    for n in traced:
        rows[n].wall_ns, rows[n].window = slow, 1
    return rows


def window(number: int, *operations: records.TracedOperation, **more) -> records.TraceWindow:
    return records.TraceWindow(
        window=number,
        tracer="torch.profiler",
        index=10 * number,
        calls=1,
        start_ns=0,
        wall_ns=3 * MS,
        profiler_ns=5 * MS,
        operations=list(operations),
        **more,
    )


def test_the_reader_keeps_the_window_of_each_row(journal):
    found = journal(*calls({50, 51})).calls
    assert found.traced.nonzero()[0].tolist() == [50, 51]
    assert found.sparse["window"].values.tolist() == [1, 1]


def test_calls_in_windows_are_in_no_latency_and_no_warm_up(journal):
    latency = summarize(journal(*calls({50, 51}))).latency
    assert latency.calls == 98
    assert latency.max_ns == MS


def test_traced_calls_at_the_begin_are_not_warm_up(journal):
    summary = summarize(journal(*calls(set(range(10)), slow=50 * MS)))
    assert summary.warmup is None
    assert summary.latency.calls == 90


def test_the_time_of_traced_calls_stays_in_the_breakdown(journal):
    plain, traced = calls(set()), calls({50})
    parts = [summarize(journal(*rows)).breakdown.of_kind("calculator") for rows in (plain, traced)]
    assert parts[1] - parts[0] == 2 * MS


def test_operations_of_all_windows_are_merged(journal):
    first = records.TracedOperation("aten::mm", 2, component="head", shapes="[2,3] [3,4]", self_ns=10)
    second = records.TracedOperation("aten::mm", 3, component="head", shapes="[2,3] [3,4]", self_ns=20)
    other = records.TracedOperation("kernel", 1, device_ns=7)
    use = measure_traces(journal(window(1, first), window(2, second, other)), median_ns=MS)
    mm, kernel = use.operations
    assert (mm.component, mm.name, mm.calls, mm.self_ns, mm.device_ns) == ("head", "aten::mm", 5, 30, None)
    assert (kernel.self_ns, kernel.device_ns) == (None, 7)
    assert use.calls == 2
    assert use.extra_ns == 6 * MS - 2 * MS
    assert use.profiler_ns == 10 * MS
    assert list(use.by_component()) == ["head", ""]
    assert host_ns(use.operations) == 30


def test_device_work_is_summed_if_it_was_recorded(journal):
    with_device = window(1, launches=1450, device_busy_ns=MS)
    assert measure_traces(journal(window(1)), None).device_busy_ns is None
    use = measure_traces(journal(with_device, window(2, launches=1450, device_busy_ns=MS)), None)
    assert (use.launches, use.device_busy_ns, use.extra_ns) == (2900, 2 * MS, None)


def test_without_windows_there_is_nothing(journal):
    assert measure_traces(journal(*calls(set())), MS) is None
