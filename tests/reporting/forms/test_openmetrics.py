"""Metrics: valid to the reference parser, right in number, whatever the names."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.cli import main
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import SCHEMA, Call, Counters, Lane, Phase, RunEnd, RunStart
from instrumented_calc.reporting.forms.openmetrics import render_openmetrics

MS = 1_000_000
HOSTILE = 'a"b\\c\nd\x1b[2J\u202e{x="y"} 1\n# EOF'


def run(name: str = "run.jsonl", part: str = "model", calls: int = 40) -> ReadRun:
    start = RunStart(SCHEMA, f"id of {name}", "2026-01-01T00:00:00+00:00", pid=1, version="1.2")
    rows = [
        Call(
            n, start_ns=n * 10 * MS, wall_ns=8 * MS, gap_ns=2 * MS, step=n, phase=1, components={part: 6 * MS}
        )
        for n in range(calls)
    ]
    made = [start, Lane(0, f"lib.{part}", "twin"), Phase(1, "Verlet", "md", 0, timestep_fs=2.0), *rows]
    made += [RunEnd("exit", 10**9, "2026-01-01T00:00:01+00:00", Counters(calls=calls, cache_hits=3))]
    Path(name).write_bytes(msgspec.json.Encoder().encode_lines(made))
    summary = summarize(read_journal(name))
    return ReadRun(summary, judge(summary) if calls else ())


def parsed(text: str) -> dict[str, list]:
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    return {each.name: each.samples for each in parser.text_string_to_metric_families(text)}


def value(samples: list, name: str, **labels: str) -> float:
    (found,) = [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]
    return found


def test_the_reference_parser_reads_the_metrics():
    found = parsed(render_openmetrics([run()]))
    prefix = "instrumented_calc_"
    assert value(found[f"{prefix}calls"], f"{prefix}calls_total") == 40
    assert value(found[f"{prefix}cache_hits"], f"{prefix}cache_hits_total") == 3
    assert value(
        found[f"{prefix}part_seconds"], f"{prefix}part_seconds_total", part="model"
    ) == pytest.approx(0.24)
    assert value(found[f"{prefix}call_seconds"], f"{prefix}call_seconds", quantile="0.5") == pytest.approx(
        0.008
    )
    assert value(found[f"{prefix}state"], f"{prefix}state", instrumented_calc_state="ended") == 1
    assert value(found[f"{prefix}run"], f"{prefix}run_info", version="1.2") == 1


def test_families_of_several_runs_are_together():
    found = parsed(render_openmetrics([run(), run("b.jsonl")]))
    assert {each.labels["journal"] for each in found["instrumented_calc_calls"]} == {"run.jsonl", "b.jsonl"}


def test_hostile_names_stay_within_their_labels():
    text = render_openmetrics([run(part=HOSTILE)])
    assert text.count("# EOF\n") == 1
    assert all(each.isprintable() or each == "\n" for each in text)
    assert any("a" in each.labels["part"] for each in parsed(text)["instrumented_calc_part_seconds"])


def test_a_run_without_calls():
    found = parsed(render_openmetrics([run(calls=0)]))
    assert value(found["instrumented_calc_calls"], "instrumented_calc_calls_total") == 0
    assert "instrumented_calc_call_seconds" not in found


def test_the_command_writes_metrics(capsys):
    run()
    assert main(["report", "run.jsonl", "--format", "openmetrics"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# TYPE instrumented_calc_run info\n")
    assert shown.endswith("# EOF\n")
