"""A black box that is damaged, forged or another run's harms no reading of the journal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import SCHEMA, Call, LastCalls, RunStart, Slice

if TYPE_CHECKING:
    from pathlib import Path

ENCODE = msgspec.json.Encoder().encode_lines
SLICE = Slice(
    start_ns=0,
    end_ns=100,
    calls=10,
    nested=0,
    failed=0,
    unchanged=0,
    wall_ns=10,
    gap_ns=0,
    min_ns=1,
    max_ns=1,
    squares_ns2=10.0,
    atom_calls=0,
    histogram=[(1, 10)],
    passed=10,
)


def row(index: int, **fields: object) -> Call:
    return Call(index, lane=0, start_ns=index * 10, wall_ns=1, **fields)


def boxed(folder: Path, box: bytes, run_id: str = "r") -> Path:
    """Write a journal of a slice of ten calls, two of them shown whole, and its black box."""
    start = RunStart(SCHEMA, run_id, "2026-01-01T00:00:00+00:00", pid=1, version="0")
    path = folder / "run.jsonl"
    shown = [row(3, sliced=True), row(12, sliced=True)]
    path.write_bytes(ENCODE([start, SLICE, *shown]))
    (folder / "run.jsonl.last").write_bytes(box)
    return path


BOX = ENCODE([LastCalls("r", 5), *(row(index) for index in range(5, 20))])


def test_calls_that_a_slice_has_counted_are_marked_and_later_ones_count(tmp_path: Path) -> None:
    calls = read_journal(boxed(tmp_path, BOX)).calls
    assert calls.index.tolist() == [3, *range(5, 20)]
    assert calls.index[calls.sliced].tolist() == [3, 5, 6, 7, 8, 9]


def test_the_box_of_another_run_is_left_alone(tmp_path: Path) -> None:
    assert read_journal(boxed(tmp_path, BOX, run_id="other")).calls.index.tolist() == [3, 12]


def test_numbers_that_no_column_holds_cost_their_row_alone(tmp_path: Path) -> None:
    odd = b'{"event":"call","index":%d,"start_ns":1,"wall_ns":1}\n' % 2**70
    assert read_journal(boxed(tmp_path, BOX + odd)).calls.index.tolist() == [3, *range(5, 20)]


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop"])
def test_paths_that_are_not_files_are_skipped(tmp_path: Path, kind: str) -> None:
    path = boxed(tmp_path, BOX)
    box = tmp_path / "run.jsonl.last"
    box.unlink()
    if kind == "folder":
        box.mkdir()
    elif kind == "fifo":
        os.mkfifo(box)
    else:
        box.symlink_to(box)
    assert read_journal(path).calls.index.tolist() == [3, 12]


@settings(deadline=None, max_examples=60)
@given(
    cut=st.integers(0, len(BOX)),
    flips=st.lists(st.tuples(st.integers(0, len(BOX) - 1), st.integers(0, 255)), max_size=8),
)
def test_a_damaged_box_is_read_as_far_as_it_is_intact(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    box = bytearray(BOX)
    for place, value in flips:
        box[place] = value
    journal = read_journal(boxed(tmp_path_factory.mktemp("box"), bytes(box[:cut])))
    assert 3 in journal.calls.index
    assert len(journal.calls) <= 17


def test_a_box_is_found_however_many_earlier_runs_of_the_name_have_left_theirs(tmp_path: Path) -> None:
    path = boxed(tmp_path, ENCODE([LastCalls("another", 0), row(1)]))
    for number in range(2, 40):
        (tmp_path / f"run.jsonl-{number}.last").write_bytes(ENCODE([LastCalls("another", 0), row(1)]))
    (tmp_path / "run.jsonl-40.last").write_bytes(BOX)
    assert read_journal(path).calls.index.tolist() == [3, *range(5, 20)]


def test_a_file_larger_than_any_black_box_is_not_read(tmp_path: Path) -> None:
    path = boxed(tmp_path, BOX)
    with (tmp_path / "run.jsonl.last").open("r+b") as file:
        file.truncate(200_000_000)
    assert read_journal(path).calls.index.tolist() == [3, 12]
