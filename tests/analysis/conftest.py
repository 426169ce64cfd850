"""Journals made of records, read back as analysis sees them."""

from __future__ import annotations

import msgspec
import pytest

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal

START = records.RunStart(
    schema=records.SCHEMA, run_id="r", started="2026-01-01T00:00:00Z", pid=1, version="0.1.0"
)


@pytest.fixture
def summarized(tmp_path):
    def of(*made: records.Record):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (START, *made)))
        return summarize(read_journal(path))

    return of
