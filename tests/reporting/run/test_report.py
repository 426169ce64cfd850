"""Reports on hand-made journals."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.targets import check_target, parse_target
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.final_summary import closing_summary
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

GOLDEN = Path(__file__).parents[2] / "journal" / "golden" / "v1.jsonl"


@pytest.fixture
def golden():
    return summarize(read_journal(GOLDEN))


@pytest.fixture
def journal(tmp_path):
    def write(name: str, *made: records.Record, **start):
        first = records.RunStart(
            schema=records.SCHEMA,
            run_id=start.pop("run_id", name),
            started=start.pop("started", "2026-01-01T00:00:00Z"),
            pid=1,
            version="0.1.0",
            **start,
        )
        path = tmp_path / name
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (first, *made)))
        return path

    return write


def test_the_text_report_shows_the_breakdown_summing_to_a_hundred(golden):
    text = render_text(build_report([ReadRun(golden)]))
    table = text.partition("% of wall\n")[2].partition("\n\n")[0].splitlines()
    shares = [float(line.split()[-1]) for line in table]
    assert shares[-1] == 100.0
    assert sum(shares[:-1]) == pytest.approx(100.0)
    assert "first call with 4 atoms" in text
    assert text.rstrip().splitlines()[-1].strip().startswith("instrumented-calc report")


def test_unmeasured_values_are_reported(journal):
    text = render_text(build_report([ReadRun(summarize(read_journal(journal("run.jsonl"))))]))
    assert "not measured" in text
    assert "partial: no run_end" in text
    assert "instrumented-calc validate" in text


def test_why_a_calculator_is_not_split_further_is_said_beside_its_parts(journal):
    rows = [
        records.Lane(
            lane=0, calculator="a.B", seen_by="calculate", parts_absent=["model is compiled by TorchScript"]
        ),
        records.Call(index=0, lane=0, start_ns=0, wall_ns=100, components={"model": 60}),
    ]
    text = render_text(build_report([ReadRun(summarize(read_journal(journal("run.jsonl", *rows))))]))
    section = text.partition("Where the time went")[2].partition("\n\n\n")[0]
    assert "Not split further: model is compiled by TorchScript." in section


def test_markdown_has_tables_and_escapes_markup(golden):
    text = render_markdown(build_report([ReadRun(golden)]))
    assert "| whole run | ns | % of wall |" in text
    assert "not\\_implemented" not in text
    assert "RuntimeError" in text


def test_the_json_report_has_units_in_its_names(golden):
    outcomes = [check_target(parse_target("median<1s"), golden)]
    (found,) = json.loads(render_json([ReadRun(golden, outcomes=outcomes)]))["journals"]
    assert found["latency"]["mean_ns"] == 340
    assert found["state"] == "complete"
    assert found["breakdown"]["wall_ns"] == 3000
    assert found["targets"] == [
        {"target": "median<1s", "measured": found["latency"]["median_ns"], "verdict": "passed"}
    ]


def test_parts_of_a_requeued_job_are_one_chain(journal):
    paths = [
        journal("run.jsonl", records.Call(index=0, wall_ns=5), series="Slurm 1"),
        journal("run-2.jsonl", records.Call(index=0, wall_ns=5), series="Slurm 1"),
    ]
    text = render_text(build_report([ReadRun(summarize(read_journal(path))) for path in paths]))
    assert "Together: series Slurm 1" in text
    assert "journals           2" in text
    assert "calculations       2" in text


def test_a_worker_without_an_end_ended_with_its_pool(journal):
    paths = [
        journal("run.jsonl", run_id="main"),
        journal("run.pid7.jsonl", run_id="w", parent_run_id="main"),
    ]
    text = render_text(build_report([ReadRun(summarize(read_journal(path))) for path in paths]))
    assert "run.pid7.jsonl  ended with its pool" in text
    assert "2, 1 of workers" in text
    assert "crash" not in text


def test_texts_from_a_journal_cannot_steer_a_terminal(journal):
    notice = records.Notice(kind="mark", text="\x1b[31mred\nnext", level="warning")
    path = journal("run.jsonl", notice)
    for text in (closing_summary(path), render_text(build_report([ReadRun(summarize(read_journal(path)))]))):
        assert "\x1b" not in text
        assert "[31mred next" in text
