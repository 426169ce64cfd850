"""A fleet as CSV and Parquet: a row per run."""

import csv
import io
import sys

import pytest
from tests.fleets import write_fleet

from instrumented_calc.cli import main
from instrumented_calc.errors import MissingPackageError
from instrumented_calc.reporting.fleet.files import fleet_parquet


@pytest.fixture(autouse=True)
def fleet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_fleet(tmp_path, runs=30, nodes=5, torn=2, foreign=3)


def csv_rows(capsys):
    assert main(["report", "*.jsonl", "--fleet", "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_csv_has_a_row_per_run_with_empty_cells_for_what_was_not_measured(capsys):
    rows = csv_rows(capsys)
    assert len(rows) == 30
    assert {each["not_finite"] for each in rows} == {""}
    assert {each["host"] for each in rows} == {f"n{number}" for number in range(5)}


def test_parquet_holds_the_same_rows(capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["report", "*.jsonl", "--fleet", "--format", "parquet", "-o", "runs.parquet"]) == 0
    table = parquet.read_table("runs.parquet").to_pylist()
    rows = csv_rows(capsys)
    assert [each["file"] for each in table] == [each["file"] for each in rows]
    assert [each["calls"] for each in table] == [int(each["calls"]) for each in rows]
    assert {each["not_finite"] for each in table} == {None}


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r"instrumented-calc\[parquet\]"):
        fleet_parquet(None)
