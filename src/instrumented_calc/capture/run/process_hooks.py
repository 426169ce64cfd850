"""Ends every run at interpreter exit, and follows the process through forks.

No signal handler is installed. A Python handler runs only between bytecodes of the main thread, so a process
with one does not die of SIGTERM while its main thread is in C. The reader of a journal without `run_end`
infers how the process died.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import Protocol

from instrumented_calc.capture.interfaces import RecordedRun

END_PATIENCE_S = 5.0  # how long the ends of all runs wait for their file systems
LEAST_PATIENCE_S = 0.1  # for one of them


class OpenRun(RecordedRun, Protocol):
    """A run that has not ended."""

    @property
    def parent_run_id(self) -> str | None:
        """In a worker: the id of the run of the process that started it."""

    def end(self, reason: str, *, patience_s: float) -> None:
        """Complete the journal, waiting a limited time for the file system."""

    def before_fork(self) -> None:
        """Prepare for a fork."""

    def after_fork_in_parent(self) -> None:
        """Continue after a fork."""

    def after_fork_in_child(self) -> None:
        """Become a run of the child's own."""


# Runs that have not ended. A run removes itself when it ends; one that never started holds no resources.
_open_runs: list[OpenRun] = []
_installed: dict[str, bool] = {}


def remember(recorder: OpenRun) -> None:
    """Follow a run until it ends."""
    _open_runs.append(recorder)
    if not _installed.get("unseen"):  # a run that never starts may report that at the end
        _installed["unseen"] = True
        atexit.register(end_all, "exit")
    if not _installed.get("fork") and hasattr(os, "register_at_fork"):
        _installed["fork"] = True
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )


def forget(recorder: OpenRun) -> None:
    """Stop following a run."""
    if recorder in _open_runs:
        _open_runs.remove(recorder)


def find(run_id: str) -> OpenRun | None:
    """Return the open run of this process with that id, or the one whose parent has it."""
    return next((run for run in _open_runs if run_id in (run.run_id, run.parent_run_id)), None)


def watch() -> None:
    """Arrange for the end of a run that has started recording."""
    if not _installed.get("exit"):
        _installed["exit"] = True
        atexit.register(end_all, "exit")
    if "multiprocessing.util" in sys.modules and not _installed.get("worker"):
        # atexit does not run in the children of multiprocessing.
        _installed["worker"] = True
        sys.modules["multiprocessing.util"].Finalize(None, end_all, args=("exit",), exitpriority=100)


def end_all(reason: str) -> None:
    """End every run of this process; if a file system does not respond, wait once for all of them."""
    deadline = time.monotonic() + END_PATIENCE_S
    for recorder in tuple(_open_runs):
        recorder.end(reason, patience_s=max(deadline - time.monotonic(), LEAST_PATIENCE_S))


def _before_fork() -> None:
    for recorder in tuple(_open_runs):
        recorder.before_fork()


def _after_in_parent() -> None:
    for recorder in tuple(_open_runs):
        recorder.after_fork_in_parent()


def _after_in_child() -> None:
    _installed.pop("worker", None)
    for recorder in tuple(_open_runs):
        recorder.after_fork_in_child()
