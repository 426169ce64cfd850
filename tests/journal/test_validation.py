"""Checking journals against the schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.validation import validate_journal

GOLDEN = Path(__file__).parent / "golden" / "v1.jsonl"


def validate(folder: Path, content: bytes):
    path = folder / "run.jsonl"
    path.write_bytes(content)
    return validate_journal(path)


def test_the_golden_journal_of_version_1_stays_valid():
    checked = validate_journal(GOLDEN)
    assert checked.valid
    assert checked.complete
    assert checked.events == {
        "run_start": 1,
        "fields": 1,
        "lane": 1,
        "phase": 1,
        "call": 6,
        "notice": 1,
        "counters": 1,
        "slice": 1,
        "run_end": 1,
    }


def test_a_torn_journal_is_valid_and_partial(tmp_path):
    checked = validate(tmp_path, GOLDEN.read_bytes()[:-20])
    assert checked.valid
    assert not checked.complete
    assert checked.torn


def test_a_wrong_type_is_a_problem_with_its_line(tmp_path):
    content = GOLDEN.read_bytes().replace(b'"wall_ns":300,"gap_ns"', b'"wall_ns":"300","gap_ns"', 1)
    checked = validate(tmp_path, content)
    assert not checked.valid
    assert checked.problem_count == 1
    assert checked.problems[0].number == 6
    assert "wall_ns" in checked.problems[0].reason


def test_unknown_events_are_allowed(tmp_path):
    checked = validate(tmp_path, GOLDEN.read_bytes() + b'{"event":"resonance"}\n')
    assert checked.valid
    assert checked.unknown_events == {"resonance": 1}


def test_rubbish_after_the_end_is_a_problem(tmp_path):
    assert not validate(tmp_path, GOLDEN.read_bytes() + b"{").valid


def test_a_file_that_is_not_a_journal_is_refused(tmp_path):
    with pytest.raises(JournalReadError, match="not a journal"):
        validate(tmp_path, b"hello\n")
