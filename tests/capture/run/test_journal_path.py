"""The folder of all journals of a process, named by an environment variable."""

from __future__ import annotations

import pytest

from instrumented_calc.capture.run.journal_path import wanted_journal
from instrumented_calc.errors import JournalPathError


@pytest.mark.parametrize(
    ("journal", "name"),
    [
        (None, "run.jsonl"),
        ("nvt.jsonl", "nvt.jsonl"),
        ("no/such/folder/nvt.jsonl", "nvt.jsonl"),
        ("sub/", "run.jsonl"),
        (b"/nvt.jsonl", "nvt.jsonl"),
    ],
)
def test_the_variable_replaces_the_folder_and_keeps_the_name(tmp_path, monkeypatch, journal, name):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INSTRUMENTED_CALC_JOURNALS", "folder")
    assert wanted_journal(journal) == str(tmp_path / "folder" / name)


def test_a_missing_folder_is_refused_while_wrapping(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTRUMENTED_CALC_JOURNALS", str(tmp_path / "missing"))
    with pytest.raises(JournalPathError, match="missing"):
        wanted_journal("nvt.jsonl")


def test_an_empty_variable_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INSTRUMENTED_CALC_JOURNALS", "")
    assert wanted_journal(None) == str(tmp_path / "run.jsonl")
