"""Trace windows in reports, and journals as Chrome traces."""

from __future__ import annotations

import json

import msgspec
import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.cli import main
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.forms.chrome import render_chrome
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.report import build_report

MS = 10**6


def start(run_id="r", started="2026-01-01T00:00:00.000+00:00"):
    return records.RunStart(schema=records.SCHEMA, run_id=run_id, started=started, pid=1, version="0.1.0")


def traced(operations, **more):
    return records.TraceWindow(
        window=1,
        tracer="torch.profiler",
        index=20,
        calls=1,
        start_ns=400 * MS,
        wall_ns=4 * MS,
        profiler_ns=30 * MS,
        operations=operations,
        **more,
    )


OPERATIONS = [
    records.TracedOperation("aten::addmm", 12, component="head", shapes="[4] [8,3] [3,4]", self_ns=2 * MS),
    records.TracedOperation("*between operations*", 1, self_ns=MS),
    records.TracedOperation("aten::silu", 3, component="head", shapes="[8,4]", self_ns=MS),
    records.TracedOperation("aten::zeros", 3, component="head", shapes="[8]", self_ns=10),
]


@pytest.fixture
def written(tmp_path):
    def of(*made, name="run.jsonl", begin=None):
        path = tmp_path / name
        lines = (begin or start(), *made)
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in lines))
        return path

    return of


def rows(number=40):
    made = [
        records.Call(index=n, lane=0, start_ns=20 * n * MS, wall_ns=2 * MS, gap_ns=18 * MS, step=n)
        for n in range(number)
    ]
    made[20].wall_ns, made[20].window = 4 * MS, 1
    return made


def report_on(path):
    return render_text(build_report([ReadRun(summarize(read_journal(path)))]))


def section(text):
    return text.partition("\nTrace windows\n")[2].partition("\nSlowest")[0]


def cells(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_operations_are_listed_by_component_with_their_shapes(written):
    found = section(report_on(written(*rows(), traced(OPERATIONS, file="run.trace-1.json"))))
    table = [cells(line) for line in found.partition("\n\n")[0].splitlines()]
    assert table == [
        ["component, operation", "per call", "host, ms per call", "% of calls"],
        ["head", "3.00", "75.0"],
        ["- aten::addmm [4] [8,3] [3,4]", "12.0", "2.00", "50.0"],
        ["- aten::silu [8,4]", "3.00", "1.00", "25.0"],
        ["(no component)", "1.00", "25.0"],
        ["- *between operations*", "1.00", "1.00", "25.0"],
    ]


def test_the_traced_calls_and_the_profilers_cost_are_shown_apart(written):
    found = " ".join(
        section(report_on(written(*rows(), traced(OPERATIONS, file="run.trace-1.json")))).split()
    )
    assert "1 window of torch.profiler, 1 call in all" in found
    assert "they took 4.00 ms, 2.00 ms longer than as many median calls" in found
    assert "The profiler itself took 30.0 ms, outside all calls." in found
    assert "Window 1: 1 call from call 20, profiler 30.0 ms, run.trace-1.json." in found


def test_device_times_have_a_column_only_where_they_were_measured(written):
    gemm = records.TracedOperation("aten::mm", 1, self_ns=MS, device_ns=2 * MS)
    without = section(report_on(written(*rows(), traced(OPERATIONS))))
    found = section(report_on(written(*rows(), traced([gemm], launches=10, device_busy_ns=2 * MS))))
    assert "device" not in without
    assert "device, ms per call" in found
    assert "Device busy 50.0 % of the time of these calls, 10.0 kernels and copies per call." in found


def test_without_windows_there_is_no_section(written):
    assert "Trace windows" not in report_on(written(*rows()[:20]))


def test_names_from_a_journal_cannot_break_the_report(written):
    odd = records.TracedOperation("evil\n\x1b[31m" + "x" * 200, 1, self_ns=MS)
    path = written(*rows(), traced([odd], file="a\nb"))
    text = report_on(path)
    assert "\x1b" not in text
    assert "a b" in text
    assert "evil" in render_markdown(build_report([ReadRun(summarize(read_journal(path)))]))


class TestChrome:
    def test_calls_have_their_components_laid_out_one_after_another(self, written):
        row = records.Call(
            index=3, lane=0, start_ns=5000, wall_ns=9000, step=2, n_atoms=8, components={"a": 2000, "b": 3000}
        )
        lane = records.Lane(lane=0, calculator="a.EMT", seen_by="twin")
        trace = json.loads(render_chrome([read_journal(written(lane, row))]))
        slices = [each for each in trace["traceEvents"] if each["ph"] == "X"]
        assert [(each["name"], each["ts"], each["dur"]) for each in slices] == [
            ("calculate", 5.0, 9.0),
            ("a", 5.0, 2.0),
            ("b", 7.0, 3.0),
        ]
        assert slices[0]["args"] == {"index": 3, "step": 2, "n_atoms": 8}
        assert {each["cat"] for each in slices[1:]} == {"component, laid out"}
        assert "one after another" in trace["otherData"]["components"]
        assert len({(each["pid"], each["tid"]) for each in slices}) == 1

    def test_nested_calls_lie_on_a_track_of_their_own(self, written):
        inner = records.Call(index=1, lane=0, start_ns=10, wall_ns=5, parent=0, components={"a": 5})
        outer = records.Call(index=0, lane=0, start_ns=0, wall_ns=20, components={"b": 20})
        trace = json.loads(render_chrome([read_journal(written(inner, outer))]))
        tracks = {each["name"]: each["tid"] for each in trace["traceEvents"] if each["ph"] == "X"}
        assert tracks["a"] != tracks["b"]

    def test_memory_is_a_counter_and_notices_are_instants(self, written):
        row = records.Call(index=0, lane=0, start_ns=0, wall_ns=1000, rss_bytes=2 * 10**6)
        notice = records.Notice(kind="mark", text="equilibrated", time_ns=7000)
        events = json.loads(render_chrome([read_journal(written(row, notice, traced([])))]))["traceEvents"]
        counters = {each["name"]: (each["ts"], each["args"]) for each in events if each["ph"] == "C"}
        assert counters == {"host memory": (1.0, {"MB": 2.0}), "latency": (1.0, {"ms": 0.001})}
        instants = {each["name"]: (each["ts"], each["args"]["text"]) for each in events if each["ph"] == "i"}
        assert instants["mark"] == (7.0, "equilibrated")
        assert instants["trace window 1"] == (400_000.0, "without a file")

    def test_the_state_of_the_simulation_is_a_counter_at_its_call(self, written):
        rows = [records.Call(index=n, lane=0, start_ns=n * 2000, wall_ns=1000) for n in (4, 0, 2)]
        states = [
            records.State(index=2, temperature_k=300.0, conserved_ev=-3.5),
            records.State(index=3, temperature_k=float("nan")),  # whose row is missing
            records.State(index=4, volume_a3=90.0),
        ]
        events = json.loads(render_chrome([read_journal(written(*rows, *states))]))["traceEvents"]
        counters = [(each["name"], each["ts"], each["args"]) for each in events if each["ph"] == "C"]
        assert [each for each in counters if each[0] != "latency"] == [
            ("temperature", 5.0, {"K": 300.0}),
            ("conserved energy", 5.0, {"eV": -3.5}),
            ("volume", 9.0, {"A^3": 90.0}),
        ]

    def test_a_long_run_has_a_bounded_number_of_latencies(self, written):
        rows = [records.Call(index=n, lane=0, start_ns=n * 2000, wall_ns=1000) for n in range(5000)]
        events = json.loads(render_chrome([read_journal(written(*rows))]))["traceEvents"]
        assert len([each for each in events if each["ph"] == "C"]) == 2000

    def test_several_journals_are_lined_up_by_when_they_started(self, written):
        row = records.Call(index=0, lane=0, start_ns=0, wall_ns=1000)
        first = written(row, name="a.jsonl")
        second = written(row, name="b.jsonl", begin=start("s", "2026-01-01T00:00:02.000+00:00"))
        trace = json.loads(render_chrome([read_journal(first), read_journal(second)]))
        assert [(each["pid"], each["ts"]) for each in trace["traceEvents"] if each["ph"] == "X"] == [
            (1, 0.0),
            (2, 2e6),
        ]

    def test_an_empty_journal_is_a_valid_trace(self, written):
        assert json.loads(render_chrome([read_journal(written())]))["traceEvents"]

    def test_the_command_writes_it_to_stdout(self, written, capsys):
        assert main(["report", str(written(*rows())), "--format", "chrome"]) == 0
        events = json.loads(capsys.readouterr().out)["traceEvents"]
        assert len([each for each in events if each["ph"] == "X"]) == 40
