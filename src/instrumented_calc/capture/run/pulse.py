"""The journal's thread: periodic work next to a run, and everything that may hang with the file system.

No thread waits for it without a limit. Work interrupted by such a limit continues as soon as the file system
responds; the thread is a daemon, so an interpreter's exit does not wait either.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

from instrumented_calc.capture.blocked_thread import blocked_in
from instrumented_calc.capture.places.prompt_switches import prompt_switches
from instrumented_calc.capture.thread_start import start
from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

PULSE_S = 0.1  # mean interval at which rows of fast calls are written
JITTER = 0.4  # an exact interval would meet the steps of a run always at the same place
# How long before its work the thread wakes up to ask for prompt switches: longer than the switch interval, so
# that it has asked in time.
LEAD_S = 0.006
FORK_PATIENCE_S = 1.0  # if its work takes longer, the file system is assumed to hang
LEAST_PATIENCE_S = 0.005
THREAD_NAME = "instrumented-calc journal"


class Pulse:
    """Calls a function ten times per second, at random intervals, in a thread of its own.

    Args:
        beat: The function; it must not raise.
        promptly: Whether the thread gets the interpreter's lock at once: what it samples is then where the
            interval ended, and not where the calculating thread lets others run.

    Attributes:
        is_blocked: Whether the thread was blocked in a system call, and not merely slow, while `finish`
            waited for it in vain.
        late_ns: How long the thread waited, mostly for the interpreter's lock, before it began its current
            work.
    """

    def __init__(self, beat: Callable[[], None], *, promptly: bool = False) -> None:
        self._beat = beat
        self._lead_s = LEAD_S if promptly else 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()  # guards the thread's start and stop; never held for long
        self._stop = threading.Event()
        self._began: float | None = None  # start of the current work
        self._random = random.Random()  # noqa: S311 - no secret; the user's generator is not touched
        self._last: Callable[[], None] | None = None
        self._done = threading.Event()
        self.is_blocked = False
        self.late_ns = 0

    def start(self) -> bool:
        """Start the thread unless it runs.

        Returns:
            False if no thread can be started.
        """
        with self._lock:
            if self._thread is not None:
                return True
            self._stop.clear()
            thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            self._thread = thread
            try:
                start(thread)
            except BaseException as error:
                self._thread = None  # should it run, it ends at once
                if is_foreign(error) or not isinstance(error, (RuntimeError, MemoryError)):
                    raise
                return False
        return True

    def _run(self) -> None:
        with self._lock:
            if self._thread is not threading.current_thread():
                return  # an exception of a signal handler came while it was being started
        while True:
            if self._wait():
                with self._lock:
                    if self._stop.is_set():
                        self._thread = None
                        break
            self._began = time.monotonic()
            self._beat()
            self._began = None
        last = self._claim_last()
        if last is not None:
            last()
            self._done.set()

    def _wait(self) -> bool:
        """Wait for the next beat; return whether the thread is to stop."""
        interval = PULSE_S * self._random.uniform(1 - JITTER, 1 + JITTER)
        due = time.perf_counter_ns() + int(interval * 1e9)
        stops = self._stop.wait(interval - self._lead_s)
        if self._lead_s and not stops:
            now = time.perf_counter_ns()
            # It woke up where another thread released the lock. Late, it must not stay there.
            due = max(due, now + int(1e9 * self._random.uniform(0, self._lead_s)))
            with prompt_switches():
                stops = self._stop.wait((due - now) / 1e9)
        self.late_ns = max(time.perf_counter_ns() - due, 0)
        return stops

    def _claim_last(self) -> Callable[[], None] | None:
        with self._lock:
            last, self._last = self._last, None
            return last

    def pause(self) -> bool:
        """Stop the thread for a fork.

        Returns:
            False if it is blocked by the file system, and will continue.
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
        # Python drops the thread a moment before the system does, and warns if it still exists at a fork.
        for _ in range(50):
            if not os.path.exists(f"/proc/self/task/{thread.native_id}"):  # noqa: PTH110 - quicker
                break
            time.sleep(0.0001)
        return True

    def finish(
        self, last: Callable[[], None], patience_s: float, *, may_take_over: Callable[[], bool]
    ) -> bool:
        """Have the thread do one last task and stop.

        Args:
            last: The task; it must not raise. If no thread can be started, the caller runs it.
            patience_s: How long the caller waits.
            may_take_over: Returns whether the caller may run the task, if the thread runs but got too
                little time to begin it.

        Returns:
            Whether it finished in time.
        """
        thread = self._thread
        if thread is threading.current_thread() or (thread is None and not self.start()):
            self._stop.set()
            last()
            return True
        self._last = last
        thread = self._thread
        self._stop.set()
        done = self._done.wait(patience_s / 2)
        if not done:
            before = blocked_in(thread)
            done = self._done.wait(patience_s / 2)
            self.is_blocked = before is not None and blocked_in(thread) == before
        if not (done or self.is_blocked) and may_take_over() and self._claim_last() is not None:
            last()
            return True
        if done and thread is not None:
            thread.join(LEAST_PATIENCE_S)
        return done
