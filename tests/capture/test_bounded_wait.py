"""Work that hangs is given up; work whose thread merely gets no turn is waited for."""

from __future__ import annotations

import threading
import time

import pytest
from tests.gate import Gate

from instrumented_calc.capture import blocked_thread
from instrumented_calc.capture.blocked_thread import blocked_in
from instrumented_calc.capture.bounded_wait import StillWaitingError, within


def test_work_that_is_blocked_in_a_system_call_is_given_up_and_undone() -> None:
    gate, undone = Gate(), threading.Event()
    with pytest.raises(StillWaitingError):
        within(0.1, gate.wait, undo=lambda _: undone.set())
    gate.close()
    assert undone.wait(60)


def test_work_that_waits_for_another_thread_is_waited_for() -> None:
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(0.5, lock.release).start()
    assert within(0.1, lock.acquire, undo=lambda _: None) is True


def test_work_that_runs_is_waited_for() -> None:
    over = threading.Event()
    threading.Timer(0.5, over.set).start()

    def busy() -> str:
        while not over.is_set():
            sum(range(1000))
        return "done"

    assert within(0.1, busy, undo=lambda _: None) == "done"


def test_where_a_thread_is_blocked_is_known_without_its_system_call(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    thread = threading.Thread(target=gate.wait, daemon=True)
    thread.start()
    while blocked_in(thread) is None or blocked_in(thread) != blocked_in(thread):
        time.sleep(0.001)

    monkeypatch.setattr(blocked_thread, "SYSTEM_CALL", "/nowhere/{}")
    first, second = blocked_in(thread), blocked_in(thread)
    gate.close()
    thread.join()
    assert first is not None
    assert first == second
    assert blocked_in(thread) is None
