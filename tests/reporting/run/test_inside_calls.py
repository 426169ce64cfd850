"""Compilation, groups, the device and counts in reports."""

from __future__ import annotations

import json

import msgspec
import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

START = records.RunStart(
    schema=records.SCHEMA, run_id="r", started="2026-01-01T00:00:00Z", pid=1, version="0.1.0"
)
SECOND = 10**9
GROUPS = {"graph": "neighbours", "encoder": "model", "decoder": "model", "to host": ""}


@pytest.fixture
def summarized(tmp_path):
    def of(*made: records.Record):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (START, *made)))
        return summarize(read_journal(path))

    return of


@pytest.fixture
def full(summarized):
    """A second of compilation in 10 s of wall time, and ten calls on a device."""
    lane = records.Lane(lane=0, calculator="a.Calculator", seen_by="twin", groups=GROUPS)
    rows = [
        records.Call(
            index=index,
            lane=0 if index == 0 else msgspec.UNSET,
            start_ns=index * SECOND,
            wall_ns=SECOND,
            components={"graph": SECOND // 4, "encoder": SECOND // 2, "decoder": SECOND // 8},
            counts={"edges": 1000 + 2 * index, "overflows": index % 2},
            device_ns={"encoder": SECOND // 10, "graph": SECOND // 20},
            device_allocated_bytes=10**9,
            device_reserved_bytes=2 * 10**9,
        )
        for index in range(10)
    ]
    rows[0].compile_ns = {"f": 3 * SECOND // 4, "g": SECOND // 4}
    return summarized(lane, *rows)


def section(text: str, title: str) -> list[str]:
    return text.partition(f"\n{title}\n")[2].split("\n\n")


def cells(block: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in block.splitlines()]


def test_compilation_is_shown_by_function_and_with_its_calls(full):
    table, remark, *_ = section(render_text(build_report([ReadRun(full)])), "Compilation")
    assert cells(table) == [
        ["compiled", "ms", "% of wall"],
        ["f", "750", "7.5"],
        ["g", "250", "2.5"],
        ["all", "1,000", "10.0"],
    ]
    assert remark.startswith("  In call 0, of 1.00 s in all: kept out of latency and warm-up")


def test_groups_are_shown_beside_the_components_and_summed(full):
    table, groups, _, remark, *_ = section(render_text(build_report([ReadRun(full)])), "Where the time went")
    assert ["graph", "2.50", "25.0", "neighbours"] in cells(table)
    assert cells(groups) == [
        ["by group", "s", "% of wall"],
        ["model", "6.25", "62.5"],
        ["neighbours", "2.50", "25.0"],
    ]
    assert "Energy and forces are computed in one pass" in remark


def test_the_shares_of_groups_are_the_sums_of_the_shares_above_them(summarized):
    lane = records.Lane(lane=0, calculator="a.C", seen_by="twin", groups={"a": "model", "b": "model"})
    row = records.Call(index=0, lane=0, wall_ns=9000, components={"a": 3005, "b": 3005})
    table, groups, *_ = section(
        render_text(build_report([ReadRun(summarized(lane, row))])), "Where the time went"
    )
    shares = {row[0]: float(row[2]) for row in cells(table)[1:]}
    assert cells(groups)[1][2] == f"{shares['a'] + shares['b']:.1f}"


def test_the_device_table_has_the_rest_and_its_number_of_calls(full):
    table, remark, *_ = section(render_text(build_report([ReadRun(full)])), "Device")
    assert cells(table) == [
        ["in the stream", "ms per call", "% of calls"],
        ["encoder", "100", "10.0"],
        ["graph", "50.0", "5.0"],
        ["rest of the wall time", "850", "85.0"],
    ]
    assert "9 steady calls with device times: between the beginning and end of each" in remark


def test_counts_have_totals_and_extremes(full):
    table, *_ = section(render_text(build_report([ReadRun(full)])), "Counts")
    assert cells(table) == [
        ["counted", "total", "mean per call", "min", "max", "calls"],
        ["edges", "10,090", "1,009", "1,000", "1,018", "10"],
        ["overflows", "5", "0.500", "0", "1", "10"],
    ]


def test_device_memory_stands_beside_host_memory(full):
    table, *_ = section(render_text(build_report([ReadRun(full)])), "Memory and CPU")
    assert "device memory, allocated  1.00 GB first, 1.00 GB last" in table
    assert "device memory, reserved   2.00 GB first, 2.00 GB last" in table


def test_sections_without_evidence_are_absent(summarized):
    text = render_text(
        build_report([ReadRun(summarized(records.Call(index=0, wall_ns=5, components={"a": 2})))])
    )
    for absent in ("Compilation", "Device", "Counts", "by group", "group", "device memory", "compilation"):
        assert absent not in text


def test_when_every_call_compiled_the_latency_reports_it(summarized):
    row = records.Call(index=0, wall_ns=5, compile_ns={"f": 4})
    text = render_text(build_report([ReadRun(summarized(row))]))
    assert "not measured: every successful call compiled something" in text


def test_many_calls_that_compiled_are_not_all_named(summarized):
    rows = [records.Call(index=n, start_ns=10 * n, wall_ns=5, compile_ns={"f": 4}) for n in range(12)]
    text = render_text(build_report([ReadRun(summarized(*rows))]))
    assert "In calls 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more, of 60.0 ns in all" in text


def test_markdown_and_json_have_the_same_evidence(full):
    assert "| encoder | 100 | 10.0 |" in render_markdown(build_report([ReadRun(full)]))
    (found,) = json.loads(render_json([ReadRun(full)]))["journals"]
    assert found["compilation"]["functions"] == {"f": 750_000_000, "g": 250_000_000}
    assert found["breakdown"]["groups_ns"] == {"model": 6_250_000_000, "neighbours": 2_500_000_000}
    assert found["breakdown"]["parts"][0]["group"] == "model"
    assert found["device"]["rest_ns"] == 7_650_000_000
    assert found["counts"][1]["total"] == 5
    assert found["device_memory_reserved"]["peak_bytes"] == 2 * 10**9


def test_the_closing_summary_reports_compilation_and_device_memory(full):
    lines = closing_text(full).splitlines()
    assert "start    compiling took 1.00 s in 1 call" in lines
    assert "memory   GPU 1.00 GB at most (2.00 GB with the allocator's cache)" in lines
