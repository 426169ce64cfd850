"""A clock that other work on the machine does not move: sleeping takes no time, computing takes CPU time."""

from __future__ import annotations

import time

from instrumented_calc.capture.run.recorder import Recorder

LONG_PIECES = 50
_slept_ns = 0
_really_sleep = time.sleep


def install() -> None:
    """Have this process sleep, and recorders read the time, by that clock."""
    time.sleep = _sleep
    time.perf_counter = lambda: _now_ns() / 1e9
    Recorder.__init__.__kwdefaults__["clock"] = _now_ns


def _sleep(seconds: float) -> None:
    global _slept_ns  # noqa: PLW0603 - a process has one clock
    # The journal thread must be able to inspect a long sleep, so that one passes in real time, bit by bit.
    pieces = LONG_PIECES if seconds > 1 else 1
    for _ in range(pieces):
        _slept_ns += round(1e9 * seconds / pieces)
        if pieces > 1:
            _really_sleep(seconds / pieces)


def _now_ns() -> int:
    return _slept_ns + time.process_time_ns()
