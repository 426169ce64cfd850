"""Do work on a file system that may hang, in a thread of its own, and wait for it for a limited time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from instrumented_calc.capture.blocked_thread import blocked_in
from instrumented_calc.capture.thread_start import start
from instrumented_calc.foreign import is_foreign, own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE_S = 5.0
BUSY_FACTOR = 12  # a thread that is not blocked may take this many times as long


class StillWaitingError(Exception):
    """The work hangs; it is undone once it ends."""


def within(patience_s: float, work: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Return the result of the work, or raise its exception.

    Args:
        patience_s: How long to wait while the work is blocked in a system call. A busy machine, where its
            thread gets no processor, is waited for.
        work: What may hang.
        undo: Called with a result that comes too late, or that an exception in this thread, such as Ctrl-C,
            keeps from being used.

    Raises:
        StillWaitingError: It has been blocked for that long.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return
        if future.set_running_or_notify_cancel():
            future.set_result(result)
        else:
            with own_faults_dropped():
                undo(result)

    thread = threading.Thread(target=run, name="instrumented-calc open", daemon=True)
    started = False
    try:
        start(thread)
        started = True
        _wait(thread, patience_s)
    except BaseException as error:
        if not started and isinstance(error, (RuntimeError, MemoryError)) and not is_foreign(error):
            return work()  # no thread can be started
        # Also if it came while the thread was being started: the thread may run by now.
        if not future.cancel() and future.exception() is None:
            undo(future.result())
        raise
    if future.cancel():
        raise StillWaitingError
    return future.result()


def _wait(thread: threading.Thread, patience_s: float) -> None:
    """Wait until a thread ends, has been blocked for some time, or has got no turn for far longer."""
    place: object | None = None
    for _ in range(2 * BUSY_FACTOR):
        thread.join(patience_s / 2)
        before, place = place, blocked_in(thread)
        if not thread.is_alive() or (place is not None and place == before):
            return
