"""Calls as CSV and Parquet: each row, each quantity, nothing invented."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import msgspec
import pytest

from instrumented_calc.cli import main
from instrumented_calc.errors import MissingPackageError
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import SCHEMA, Call, Lane, RunStart
from instrumented_calc.reporting.forms.call_table import render_csv, render_parquet

HOSTILE = "=cmd|' /C calc'!A0\x1b[2J\u202e"


def journal(name: str = "run.jsonl", *calls: Call):
    start = RunStart(SCHEMA, name, "2026-01-01T00:00:00+00:00", pid=1, version="0")
    made = calls or (
        Call(0, lane=0, start_ns=10, wall_ns=100, n_atoms=4, step=0, components={"model": 60}),
        Call(1, start_ns=200, wall_ns=50, gap_ns=-5, step=1, rss_bytes=7_000_000),
        Call(2, start_ns=300, wall_ns=20, failure="ValueError", counts={"edges": 12}),
    )
    Path(name).write_bytes(msgspec.json.Encoder().encode_lines([start, Lane(0, "EMT", "twin"), *made]))
    return read_journal(name)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_per_call_and_empty_where_not_measured():
    first, second, third = table(render_csv([journal()]))
    assert (first["index"], first["wall_ns"], first["model_ns"], first["n_atoms"]) == ("0", "100", "60", "4")
    assert (second["model_ns"], second["rss_bytes"]) == ("", "7000000")
    assert (third["failure"], third["edges"], third["step"]) == ("ValueError", "12", "")


def test_several_journals_name_their_file():
    rows = table(
        render_csv([journal(), journal("b.jsonl", Call(0, start_ns=1, wall_ns=2, components={"x": 1}))])
    )
    assert [row["journal"] for row in rows] == ["run.jsonl"] * 3 + ["b.jsonl"]
    assert [row["x_ns"] for row in rows] == ["", "", "", "1"]


def test_hostile_names_are_neither_formulas_nor_controls():
    text = render_csv([journal("run.jsonl", Call(0, wall_ns=9, components={HOSTILE: 5}, failure=HOSTILE))])
    assert all(each.isprintable() or each == "\n" for each in text)
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)


def test_a_journal_without_calls_has_a_header():
    start = RunStart(SCHEMA, "r", "2026-01-01T00:00:00+00:00", pid=1, version="0")
    Path("empty.jsonl").write_bytes(msgspec.json.Encoder().encode_lines([start]))
    assert render_csv([read_journal("empty.jsonl")]).startswith("index,start_ns,wall_ns")


def test_the_command_writes_csv(capsys):
    journal()
    assert main(["report", "run.jsonl", "--format", "csv"]) == 0
    assert len(table(capsys.readouterr().out)) == 3


def test_parquet_needs_a_file_and_pyarrow(capsys, monkeypatch):
    journal()
    assert main(["report", "run.jsonl", "--format", "parquet"]) == 2
    assert "--output" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r"instrumented-calc\[parquet\]"):
        render_parquet([journal()])


def test_parquet_holds_the_same_table():
    parquet = pytest.importorskip("pyarrow.parquet")
    journal()
    journal("b.jsonl", Call(0, start_ns=1, wall_ns=2, components={"x": 1}))
    assert main(["report", "run.jsonl", "b.jsonl", "--format", "parquet", "-o", "calls.parquet"]) == 0
    read = parquet.read_table("calls.parquet")
    assert read.num_rows == 4
    rows = read.to_pylist()
    assert (rows[0]["model_ns"], rows[1]["model_ns"], rows[3]["x_ns"]) == (60, None, 1)
    assert (rows[1]["gap_ns"], rows[2]["failure"], rows[0]["failure"]) == (None, "ValueError", None)
    assert [row["journal"] for row in rows] == ["run.jsonl"] * 3 + ["b.jsonl"]


@pytest.mark.slow
def test_duckdb_reads_journals_and_parquet_as_the_guide_says(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    page = (Path(__file__).parents[3] / "docs" / "guide" / "exports.md").read_text(encoding="utf-8")
    queries = page.split("```sql\n")[1:]
    assert len(queries) >= 2
    journal()
    for query in queries:
        text = query.partition("```")[0]
        if "parquet" in text:
            pytest.importorskip("pyarrow")
            assert main(["report", "run.jsonl", "--format", "parquet", "-o", "calls.parquet"]) == 0
        assert duckdb.sql(text).fetchall()
