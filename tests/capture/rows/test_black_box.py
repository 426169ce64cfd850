"""The newest calls stay in full beside a thinned journal, bounded and without touching other files."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.capture.rows import black_box
from instrumented_calc.capture.rows.black_box import BlackBox
from instrumented_calc.capture.rows.outbox import Context, Outbox
from instrumented_calc.journal.damage import Damage
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import SCHEMA, Call, RunStart
from instrumented_calc.journal.writer import JournalWriter

SECOND = 10**9
LAST, OTHER = "run.jsonl.last", "run.jsonl-2.last"


class Box:
    """A black box, and calls to fill it with."""

    def __init__(self, limit: int = 10**9) -> None:
        self.troubles: list[str] = []
        self.box = BlackBox(Path("run.jsonl"), "r1", limit, self.troubles.append)
        self.calls = 0

    def add(self, number: int, every_ns: int = SECOND) -> None:
        """Record calls in one batch."""
        rows = [
            Call(index, lane=0, start_ns=index * every_ns, wall_ns=every_ns)
            for index in range(self.calls, self.calls + number)
        ]
        if self.box.is_full:
            self.box.turn([], passed=self.calls)
        self.box.keep(rows, passed=self.calls)
        self.box.push()
        self.calls += number

    def read(self) -> list[dict[str, Any]]:
        """Return all lines, the older ones first."""
        return [json.loads(line) for line in self.box.contents().splitlines() if line]

    def indices(self) -> list[int]:
        """Return the numbers of the calls that are kept."""
        return [each["index"] for each in self.read() if each["event"] == "call"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(black_box, "CALLS", 100)


@pytest.mark.usefixtures("few")
def test_the_newest_calls_are_there_at_any_moment() -> None:
    made = Box()
    for _ in range(200):
        made.add(7)
        indices = made.indices()
        assert indices == list(range(indices[0], made.calls))
        assert len(indices) >= min(made.calls, 100)
        assert len(indices) <= 2 * (100 + 60 + 7)
    assert sorted(each.name for each in Path().iterdir()) == [OTHER, LAST]
    made.box.close()


@pytest.mark.usefixtures("few")
def test_fast_calls_cover_a_minute_as_far_as_there_is_room() -> None:
    roomy, tight = Box(), Box(limit=80_000)
    for _ in range(200):
        roomy.add(50, every_ns=10_000_000)
        tight.add(50, every_ns=10_000_000)
    assert len(roomy.indices()) >= 6000  # a minute
    assert len(tight.indices()) >= 100
    assert len(tight.box.contents()) < 80_000 / 4 + 2 * 50 * 100
    roomy.box.close()
    tight.box.close()


def test_each_part_begins_with_the_run_and_how_many_calls_came_before() -> None:
    made = Box()
    made.add(3)
    made.box.push()
    made.add(3)
    assert made.read()[0] == {"event": "last_calls", "run_id": "r1", "passed": 0}
    assert [each["event"] for each in made.read()].count("last_calls") == 1
    made.calls = 10
    made.add(1)
    assert made.read()[-2] == {"event": "last_calls", "run_id": "r1", "passed": 10}
    made.box.close()


def test_existing_files_and_links_are_not_overwritten_or_followed() -> None:
    Path(LAST).write_text("the user's")
    Path("victim").write_text("precious")
    Path(OTHER).symlink_to("victim")
    made = Box()
    made.add(3)
    made.box.close()
    assert Path(LAST).read_text() == "the user's"
    assert Path("victim").read_text() == "precious"
    assert len(Path("run.jsonl-3.last").read_text().splitlines()) == 4


def test_a_full_disk_is_reported_once_and_leaves_a_part_that_can_be_read() -> None:
    made = Box()
    made.add(3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(LAST).stat().st_size + 10, hard))
    try:
        made.add(3)
        made.add(3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(made.troubles) == 1
    assert LAST in made.troubles[0]
    made.add(2)
    assert made.indices() == [0, 1, 2, 9, 10]
    assert [each["passed"] for each in made.read() if each["event"] == "last_calls"] == [0, 9]
    made.box.close()


def test_a_folder_that_is_gone_is_reported_once() -> None:
    troubles: list[str] = []
    box = BlackBox(Path("nowhere/run.jsonl"), "r1", 10**9, troubles.append)
    for passed in range(3):
        box.keep([Call(passed, lane=0)], passed=passed)
        box.push()
    assert len(troubles) == 1
    box.close()


def test_a_descriptor_that_has_become_anothers_is_left_alone() -> None:
    made = Box()
    made.add(3)
    descriptor = made.box._files[0].descriptor.number
    with Path("theirs").open("w") as theirs:
        os.dup2(theirs.fileno(), descriptor)
        made.add(2)
        made.box.close()
        assert os.fstat(descriptor).st_ino == Path("theirs").stat().st_ino
    os.close(descriptor)
    assert Path("theirs").read_text() == ""
    assert len(Path(OTHER).read_text().splitlines()) == 3


def test_data_not_accepted_by_the_file_system_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(black_box, "AT_ONCE", 10)
    made = Box()
    for passed in range(0, 10_000, 100):
        made.box.keep([Call(passed + number, lane=0) for number in range(100)], passed=passed)
    made.box.push()
    indices = made.indices()
    assert indices == list(range(10_000 - 10 * black_box.MOST_WAITING, 10_000))
    made.box.close()


def test_a_row_that_json_cannot_hold_costs_no_other() -> None:
    made = Box()
    made.box.keep([Call(0, lane=0), Call(1, lane=0, step=object()), Call(2, lane=0)], passed=0)
    made.box.push()
    assert made.indices() == [0, 2]
    made.box.close()


def test_a_journal_that_continues_elsewhere_takes_its_box_along() -> None:
    made = Box()
    made.add(3)
    made.box.move_beside(Path("new.jsonl"))
    made.add(2)
    assert made.indices() == [3, 4]
    assert made.read()[0]["passed"] == 3
    assert Path("new.jsonl.last").exists()
    made.box.close()


class Thinned:
    """A run of made-up calls past its limit, on its way through the outbox."""

    def __init__(self) -> None:
        self.writer = JournalWriter(Path("run.jsonl"), on_trouble=lambda _: None)
        self.box = BlackBox(Path("run.jsonl"), "r1", 100_000, on_trouble=lambda _: None)
        self.outbox = Outbox(self.writer, 100_000, self.box)
        self.outbox.rows.append(RunStart(SCHEMA, "r1", "2026-01-01T00:00:00+00:00", pid=1, version="0"))
        self.calls = self.wall_ns = 0
        self.contexts = [Context(0, phase, 4, ["energy"], ["positions"]) for phase in (1, 2)]

    def add(self, number: int, every_ns: int = 20_000) -> None:
        """Make calls and hand them to the kernel."""
        for index in range(self.calls, self.calls + number):
            row = Call(
                index, self.contexts[index // 7 % 2], start_ns=index * every_ns, wall_ns=1000 + index % 50
            )
            if index % 11 == 0:
                row.components = {"graph": 10}
            self.wall_ns += row.wall_ns
            self.outbox.rows.append(row)
        self.calls += number
        self.outbox.drain()

    def check(self, newest: int) -> None:
        """Read the journal and compare it with the rows that were made."""
        journal = read_journal("run.jsonl")
        calls, summary = journal.calls, summarize(journal)
        unsliced = int(calls.wall_ns[~calls.sliced].sum(dtype=np.int64))
        assert journal.bad_lines == 0
        assert journal.damage == Damage()
        assert summary.evaluations.calls == self.calls
        assert unsliced + sum(each.wall_ns for each in journal.slices) == self.wall_ns
        kept = min(newest, self.calls)
        assert calls.index[-kept:].tolist() == list(range(self.calls - kept, self.calls))
        assert len(np.unique(calls.index)) == len(calls)
        assert set(calls.phase[-kept:].tolist()) == {1, 2}
        assert bool((np.diff(calls.start_ns) > 0).all())


def test_the_last_30000_calls_of_a_long_run_are_there_in_full_and_every_total_is_exact() -> None:
    made = Thinned()
    for _ in range(100):
        made.add(500)
    made.check(newest=30_000)  # as after a kill: the last slice is open
    made.outbox.drain(closing=True)
    made.check(newest=30_000)
    assert sum(path.stat().st_size for path in Path().glob("*.last")) < 20_000_000
    made.writer.close()
    made.box.close()


@pytest.mark.parametrize("every_ns", [20_000, 2_000_000, 20_000_000])
def test_totals_are_exact_whenever_a_run_is_cut(monkeypatch: pytest.MonkeyPatch, every_ns: int) -> None:
    monkeypatch.setattr(black_box, "CALLS", 150)
    made = Thinned()
    for number in (40, 1, 300, 7, 700, 2, 2000, 151, 149, 1, 90, 4000, 33):
        made.add(number, every_ns)
        made.check(newest=150)
    made.writer.close()
    made.box.close()
