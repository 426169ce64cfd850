"""An unfinished call is written down, so that reports of killed runs can name the call that was running."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.capture.zoo import copper
from tests.support import ExactClock

from instrumented_calc.capture.open_calls import Entry, active
from instrumented_calc.capture.run import touch_requests
from instrumented_calc.capture.run.recorder import Recorder
from instrumented_calc.capture.run.touch_requests import all_threads_text
from instrumented_calc.capture.run.unfinished_calls import StillOpen
from instrumented_calc.capture.settings import Settings
from instrumented_calc.capture.wrapping.twin import twin

SECOND = 10**9


class Maker:
    """Stands for the row maker of a run: entries refer to it."""


def entry(index: int, maker: Maker, start: int) -> Entry:
    return Entry(index, maker, start)


@pytest.fixture
def opened():
    """Open calls in this thread; they are closed after the test."""
    yield active.stack
    active.stack.clear()


def test_an_open_call_is_reported_at_doubling_distances_and_then_every_30_s(opened):
    maker = Maker()
    opened.append(entry(7, maker, 5 * SECOND))
    still_open = StillOpen(maker, origin=2 * SECOND)
    found = [report for tenth in range(1500) for report in still_open.look(5 * SECOND + tenth * SECOND // 10)]
    assert [report.open_ns / SECOND for report in found] == [1, 2, 4, 8, 16, 32, 62, 92, 122]
    assert [report.time_ns - report.open_ns for report in found] == [3 * SECOND] * 9
    assert {(report.index, report.thread) for report in found} == {(7, threading.current_thread().name)}


def test_nested_calls_are_reported_each_and_other_runs_calls_not(opened):
    maker = Maker()
    opened += [entry(1, maker, SECOND), entry(2, Maker(), SECOND), entry(3, maker, 2 * SECOND)]
    assert [report.index for report in StillOpen(maker, 0).look(4 * SECOND)] == [1, 3]


def test_a_call_that_is_not_running_yet_and_a_long_pause_are_not_faults(opened):
    maker = Maker()
    opened.append(entry(1, maker, 0))
    still_open = StillOpen(maker, 0)
    assert still_open.look(100 * SECOND) == []
    opened[0] = entry(1, maker, 100 * SECOND)
    assert len(still_open.look(1000 * SECOND)) == 1
    assert still_open.look(1001 * SECOND) == []


class Held:
    """A calculator that waits to be let go."""

    def __init__(self) -> None:
        self.results: dict[str, float] = {}
        self.entered, self.let_go = threading.Event(), threading.Event()

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.entered.set()
        self.let_go.wait(60)


def test_touching_stacks_writes_where_every_thread_is():
    held, clock = Held(), ExactClock()
    recorder = Recorder(Settings(path="r.jsonl"), clock=clock)
    calc = twin(held, recorder)
    thread = threading.Thread(target=calc.calculate, args=(copper(), ["energy"], []), name="worker 1")
    thread.start()
    held.entered.wait(60)
    clock.advance(5 * SECOND)
    Path("r.jsonl.stacks.txt").symlink_to("elsewhere")
    Path("r.jsonl.stacks").touch()
    Path("r.jsonl.dump").touch()
    recorder._beat()
    held.let_go.set()
    thread.join()
    recorder.end("closed")
    text = Path("r.jsonl.stacks-2.txt").read_text()
    assert "thread worker 1: call 0, open for 5.000 s\n" in text
    assert "self.let_go.wait(60)" in text
    assert not Path("elsewhere").exists()
    assert not Path("r.jsonl.stacks").exists()
    assert not Path("r.jsonl.dump").exists()
    assert "all calls so far are in the journal" in Path("r.jsonl").read_text()


def test_touching_dump_copies_the_newest_calls_of_a_thinned_journal():
    recorder = Recorder(Settings(path="r.jsonl", max_journal=1000), clock=ExactClock())
    held = Held()
    held.let_go.set()
    calc = twin(held, recorder)
    for _ in range(20):
        calc.calculate(copper(), ["energy"], [])
        recorder.flush()
    Path("r.jsonl.dump").touch()
    recorder.recording._rounds._requests._next_look = 0
    recorder._beat()
    recorder.end("closed")
    copied = Path("r.jsonl.dumped").read_bytes()
    assert copied.count(b'{"event":"call"') > 10
    assert Path("r.jsonl.last").read_bytes().startswith(copied)


def test_a_request_file_that_cannot_be_removed_is_answered_once(monkeypatch):
    recorder = Recorder(Settings(path="r.jsonl"), clock=ExactClock())
    held = Held()
    held.let_go.set()
    calc = twin(held, recorder)
    calc.calculate(copper(), ["energy"], [])
    Path("r.jsonl.stacks").mkdir()  # unlink() refuses a folder
    monkeypatch.setattr(touch_requests, "LOOK_EVERY_NS", 0)
    for _ in range(3):
        recorder._beat()
    recorder.end("closed")
    assert [path.name for path in Path().glob("*.txt")] == ["r.jsonl.stacks.txt"]
    assert Path("r.jsonl").read_text().count("request-file-stays") == 1


def test_the_asking_thread_is_left_out():
    assert "all_threads_text" not in all_threads_text(Maker(), 0)
