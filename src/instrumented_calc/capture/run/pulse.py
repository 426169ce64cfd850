"""The journal's thread: it does the regular work beside a run, and whatever may hang with the file system.

Nobody waits for it without a limit. What it is in the middle of when a limit is reached goes on as soon as
the file system answers; it is a daemon, so an interpreter's exit does not wait either.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

PULSE_S = 0.1  # what fast calls have left in the outbox is written at least this often
FORK_PATIENCE_S = 1.0  # since its work began: longer than that the file system hangs
LEAST_PATIENCE_S = 0.005
THREAD_NAME = "instrumented-calc journal"


class Pulse:
    """Calls a function ten times a second in a thread of its own.

    Args:
        beat: What is called; it must not raise.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()  # of the thread's start and stop; never held for long
        self._stop = threading.Event()
        self._began: float | None = None  # when the work at hand began
        self._last: Callable[[], None] | None = None
        self._done = threading.Event()

    def start(self) -> bool:
        """Start the thread unless it runs.

        Returns:
            False if no thread is to be had.
        """
        with self._lock:
            if self._thread is not None:
                return True
            self._stop.clear()
            thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:
                if is_foreign(error):
                    raise
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            if self._stop.wait(PULSE_S):
                with self._lock:
                    if self._stop.is_set():
                        self._thread = None
                        break
            self._began = time.monotonic()
            self._beat()
            self._began = None
        if self._last is not None:
            self._last()
            self._done.set()

    def pause(self) -> bool:
        """Stop the thread for a fork.

        Returns:
            False if it is kept up by the file system, and will go on.
        """
        with self._lock:
            thread, began = self._thread, self._began
        if thread is None or thread is threading.current_thread():
            return True
        worked = 0.0 if began is None else time.monotonic() - began
        self._stop.set()
        thread.join(max(FORK_PATIENCE_S - worked, LEAST_PATIENCE_S))
        with self._lock:
            if self._thread is thread:
                self._stop.clear()
                return False
        # Python is done with it a moment before the system is, and warns if it is there at a fork.
        for _ in range(50):
            if not os.path.exists(f"/proc/self/task/{thread.native_id}"):  # noqa: PTH110 - quicker
                break
            time.sleep(0.0001)
        return True

    def finish(self, last: Callable[[], None], patience_s: float) -> bool:
        """Have the thread do one last thing and stop.

        Args:
            last: What it does; it must not raise. Where no thread is to be had, the caller does it.
            patience_s: How long the caller waits.

        Returns:
            Whether it was done in time.
        """
        thread = self._thread
        if thread is threading.current_thread() or (thread is None and not self.start()):
            self._stop.set()
            last()
            return True
        self._last = last
        thread = self._thread
        self._stop.set()
        done = self._done.wait(patience_s)
        if done and thread is not None:
            thread.join(LEAST_PATIENCE_S)
        return done
