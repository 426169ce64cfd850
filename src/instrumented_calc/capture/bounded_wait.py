"""Do work on a file system that may hang, in a thread of its own, and wait for it for a limited time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from instrumented_calc.foreign import is_foreign, own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE_S = 5.0


class StillWaitingError(Exception):
    """The work has not ended in time; it is undone once it ends."""


def within(patience_s: float, work: Callable[[], T], undo: Callable[[T], object]) -> T:
    """Return the result of the work, or raise its exception.

    Args:
        patience_s: How long to wait.
        work: What may hang.
        undo: Called with a result that comes too late, or that an exception in this thread, such as Ctrl-C,
            keeps from being used.

    Raises:
        StillWaitingError: It has not ended in time.
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
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:  # no thread can be started
        if is_foreign(error):
            raise
        return work()
    try:
        thread.join(patience_s)
    except BaseException:
        if not future.cancel() and future.exception() is None:
            undo(future.result())
        raise
    if future.cancel():
        raise StillWaitingError
    return future.result()
