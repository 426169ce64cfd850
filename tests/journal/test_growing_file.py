"""A file that is being written: its ends, then what is added; whatever happens to it."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import growing_file
from instrumented_calc.journal.growing_file import GrowingFile


def call(index: int) -> bytes:
    return b'{"event":"call","index":%d}' % index


def text(*numbers: int) -> bytes:
    return b"".join(call(number) + b"\n" for number in numbers)


def test_lines_arrive_once_and_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(text(0, 1) + call(2)[:9])
    file = GrowingFile(path)
    assert file.look().lines == [call(0), call(1)]
    assert file.look().lines == []
    with path.open("ab") as more:
        more.write(call(2)[9:] + b"\n" + text(3))
    news = file.look()
    assert (news.lines, news.grown, news.anew) == ([call(2), call(3)], True, False)
    assert not file.look().grown


@given(cuts=st.lists(st.integers(0, 400), max_size=8))
def test_however_it_is_written_every_line_arrives_once(tmp_path_factory, cuts):
    path = tmp_path_factory.mktemp("cuts") / "run.jsonl"
    data = text(*range(12))
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    path.write_bytes(b"")
    file, seen = GrowingFile(path), []
    for begin, end in pairwise(places):
        with path.open("ab") as more:
            more.write(data[begin:end])
        seen += file.look().lines
    assert seen == data.splitlines()


@pytest.mark.parametrize("how", ["truncated", "replaced", "rewritten", "rewritten longer"])
def test_another_file_starts_anew(tmp_path, how):
    path = tmp_path / "run.jsonl"
    path.write_bytes(text(0, 1, 2))
    file = GrowingFile(path)
    file.look()
    if how == "replaced":
        (tmp_path / "new").write_bytes(text(0, 1, 2, 3))
        (tmp_path / "new").replace(path)
    else:
        path.write_bytes({"truncated": text(7), "rewritten": text(7, 8, 9)}.get(how, text(*range(7, 20))))
    news = file.look()
    assert news.anew
    assert news.lines == path.read_bytes().splitlines()


def test_a_file_that_vanishes_and_returns(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(text(0))
    file = GrowingFile(path)
    file.look()
    path.rename(tmp_path / "kept")
    assert file.look().lines == []
    assert file.is_gone
    (tmp_path / "kept").rename(path)
    with path.open("ab") as more:
        more.write(text(1))
    assert file.look().lines == [call(1)]
    assert not file.is_gone


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a file of kilobytes as a large one."""
    monkeypatch.setattr(growing_file, "HEAD_BYTES", 300)
    monkeypatch.setattr(growing_file, "TAIL_BYTES", 400)
    monkeypatch.setattr(growing_file, "SPOTS", 3)
    monkeypatch.setattr(growing_file, "SPOT_BYTES", 100)
    monkeypatch.setattr(growing_file, "MOST_NEWS", 1000)


@pytest.mark.usefixtures("small")
def test_of_a_large_file_the_ends_come_first_and_the_rest_in_pieces(tmp_path):
    path = tmp_path / "run.jsonl"
    others = [b'{"event":"phase","phase":%d}' % number for number in range(5)]
    rows = [call(number) for number in range(500)]
    for number, other in enumerate(others):
        rows.insert(90 * (number + 1), other)
    path.write_bytes(b"\n".join(rows) + b"\n")
    file = GrowingFile(path)
    first = file.look().lines
    assert first[0] == call(0)
    assert first[-1] == call(499)
    assert set(first) <= set(rows)
    assert len(first) < 60
    assert 0 < file.skipped_bytes < file.size
    found = []
    while file.skipped_bytes:
        found += file.read_skipped(most=999)
    assert [line for line in found if line not in first] == [line for line in others if line not in first]
    assert file.look().lines == []


@pytest.mark.usefixtures("small")
def test_a_reader_that_was_away_for_long_skips_what_has_come_meanwhile(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(text(*range(100)))
    file = GrowingFile(path)
    file.look()
    with path.open("ab") as more:
        more.write(text(*range(100, 1000)) + b'{"event":"run_end"}\n')
    lines = file.look().lines
    assert lines[-1] == b'{"event":"run_end"}'
    assert len(lines) < 60


def test_lines_with_empty_blocks_and_without_an_end(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"\0" * 100 + text(0) + b"\0\0\n\n" + text(1) + b"x" * (growing_file.LONGEST_LINE + 1))
    file = GrowingFile(path)
    assert [line for line in file.look().lines if line] == [call(0), call(1)]
    with path.open("ab") as more:
        more.write(b"\n" + text(2))
    assert call(2) in file.look().lines


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(JournalReadError, match="No such file"):
        GrowingFile(tmp_path / "none.jsonl").look()
    with pytest.raises(JournalReadError, match="is a directory"):
        GrowingFile(tmp_path).look()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalReadError, match="not a regular file"):  # and does not wait for a writer
        GrowingFile(tmp_path / "pipe").look()
    with pytest.raises(JournalReadError, match="null"):
        GrowingFile(tmp_path / "a\0b").look()
