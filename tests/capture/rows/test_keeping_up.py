"""Calls write their rows themselves where the journal's thread does not keep up with them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from tests.support import read_records

from instrumented_calc.capture.rows import keeping_up
from instrumented_calc.capture.rows.keeping_up import LATE_NS
from instrumented_calc.capture.rows.row_maker import LOOK_EVERY_NS
from instrumented_calc.capture.run import pulse
from instrumented_calc.capture.run.recorder import Recorder
from instrumented_calc.capture.settings import Settings
from instrumented_calc.capture.wrapping.twin import twin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.capture.rows.outbox import Outbox

STEP_NS = 1_000_000


class Clock:
    """Stands still between calls."""

    now = STEP_NS

    def __call__(self) -> int:
        return self.now


class Waiting(Calculator):
    """Takes a millisecond of the clock."""

    implemented_properties = ("energy",)
    clock: Clock

    def calculate(self, *args: object, **kwargs: object) -> None:
        self.clock.now += STEP_NS
        self.results = {"energy": 0.0}


class Run:
    """A run whose journal thread sleeps."""

    def __init__(self, **settings: Any) -> None:
        self.calculator = Waiting()
        self.calculator.clock = clock = Clock()
        self.recorder = Recorder(Settings(path="run.jsonl", own_run=True, **settings), clock=clock)
        self._wrapped = twin(self.calculator, self.recorder)
        self._atoms = Atoms("Ar")
        self.call()

    def call(self, times: int = 1) -> None:
        for _ in range(times):
            self._wrapped.calculate(self._atoms, ["energy"], ["positions"])

    @property
    def outbox(self) -> Outbox:
        assert self.recorder.recording is not None
        return self.recorder.recording.outbox


@pytest.fixture(autouse=True)
def _sleeping_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PULSE_S", 1000)


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    made.recorder.end("closed")


@pytest.mark.parametrize("limit", [10**9, 2_000], ids=["plain", "thinned"])
@pytest.mark.parametrize("budget", [0.01, 0.0], ids=["usual", "rarely sampled"])
def test_no_row_waits_for_a_quarter_of_a_second(budget: float, limit: int) -> None:
    run = Run(overhead_budget=budget, max_journal=limit)
    most = 0
    for _ in range(3000):
        run.call()
        most = max(most, len(run.outbox.rows))
    assert run.outbox.thinned is (limit == 2_000)
    run.recorder.end("closed")
    assert (
        most * STEP_NS <= LATE_NS + LOOK_EVERY_NS + 20 * STEP_NS
    )  # the journal's thread has turns of its own
    assert read_records().end["counters"]["calls"] == 3001


@contextmanager
def _held(lock: Any, seconds: float) -> Iterator[threading.Event]:
    """Hold a lock in another thread, until the event or for so long."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            release.wait(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    yield release
    release.set()
    thread.join()


def test_a_call_waits_for_a_thread_that_writes_but_does_not_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_up, "PATIENCE_S", 60)
    with _held(run.outbox._writing, 0.2):
        run.call(400)
        assert len(run.outbox.rows) <= 210


def test_a_call_waits_once_for_a_write_that_hangs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping_up, "PATIENCE_S", 0.05)
    outbox = run.outbox
    patience: list[float] = []
    drain = outbox.drain

    def noted(*, timeout: float) -> bool:
        patience.append(timeout)
        return drain(timeout=timeout)

    monkeypatch.setattr(outbox, "drain", noted)
    with _held(outbox._writing, 60):
        run.call(1000)
        assert len(outbox.rows) >= 1000
        assert len(patience) > 3
        assert [seconds for seconds in patience if seconds] == [0.05]
    run.call(100)
    assert len(outbox.rows) <= 100
