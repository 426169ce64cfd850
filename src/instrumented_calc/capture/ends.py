"""Sees to it that every run has an end: interpreter exit, SIGTERM, and processes made by fork.

No signal but SIGTERM is taken, and that one only where its handler is the default: `run_end` is written
first, then the process dies of the signal as it would have.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrumented_calc.capture.recorder import Recorder

# Runs that have not ended. A run forgets itself when it ends; one that never started holds nothing open.
_open_runs: list[Recorder] = []
_installed: dict[str, bool] = {}
_forking = threading.local()


def remember(recorder: Recorder) -> None:
    """Follow a run until it ends."""
    _open_runs.append(recorder)
    if not _installed.get("fork") and hasattr(os, "register_at_fork"):
        _installed["fork"] = True
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )


def forget(recorder: Recorder) -> None:
    """Stop following a run; the last one gives SIGTERM back."""
    if recorder in _open_runs:
        _open_runs.remove(recorder)
    if not _open_runs and threading.current_thread() is threading.main_thread():
        _give_sigterm_back()


def find(run_id: str) -> Recorder | None:
    """Return the open run of this process with that id, or the one whose parent has it."""
    return next((run for run in _open_runs if run_id in (run.run_id, run.parent_run_id)), None)


def watch() -> None:
    """Arrange for the end of a run that has begun to record."""
    if not _installed.get("exit"):
        _installed["exit"] = True
        atexit.register(end_all, "exit")
    if "multiprocessing.util" in sys.modules and not _installed.get("worker"):
        # atexit does not run in the children of multiprocessing.
        _installed["worker"] = True
        from multiprocessing.util import Finalize  # noqa: PLC0415 - only where it is used anyway

        Finalize(None, end_all, args=("exit",), exitpriority=100)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _on_sigterm)


def end_all(reason: str) -> None:
    """End every run of this process."""
    for recorder in tuple(_open_runs):
        recorder.end(reason)


def _on_sigterm(number: int, frame: Any) -> None:  # noqa: ARG001 - Python's signature of a handler
    for recorder in tuple(_open_runs):
        if recorder.interrupted(_die_of_sigterm):
            return
    _die_of_sigterm()


def _die_of_sigterm() -> None:
    try:
        for recorder in tuple(_open_runs):
            recorder.end("SIGTERM", timeout=1, report=False)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _give_sigterm_back() -> None:
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _before_fork() -> None:
    for recorder in tuple(_open_runs):
        recorder.before_fork()
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        # Python forgets what strikes a child before it is set up; a pool would wait for that child for ever.
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _take_sigterm_again() -> None:
    mask = _forking.__dict__.pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_in_parent() -> None:
    _take_sigterm_again()
    for recorder in tuple(_open_runs):
        recorder.after_fork_in_parent()


def _after_in_child() -> None:
    _installed.pop("worker", None)
    for recorder in tuple(_open_runs):
        recorder.after_fork_in_child()
    _give_sigterm_back()  # until the child has a run of its own
    _take_sigterm_again()
