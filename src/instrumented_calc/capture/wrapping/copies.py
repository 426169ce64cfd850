"""Copies, pickles and forks of a wrapped calculator: each owns its calculator and joins a run.

In the process of the original a copy joins the original's run, on the same lane; in any other process it
joins that process's own run, whose journal names the original's run as its parent.
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.calls.lane import LiveLane
from instrumented_calc.capture.run import process_hooks
from instrumented_calc.capture.run.recorder import Recorder

if TYPE_CHECKING:
    from instrumented_calc.capture.interfaces import RecordedRun
    from instrumented_calc.capture.settings import Settings


class Contents:
    """State of a wrapped calculator for copying and pickling.

    `copy.copy` passes this same object, so the calculator still has to be copied; `deepcopy` and `pickle`
    create a new one, whose calculator they have created.

    Args:
        lane: The lane of the original.
    """

    def __init__(self, lane: LiveLane) -> None:
        recorder = lane.recorder
        recorder.may_stay_unused = True
        self._calculator = lane.calculator
        self._number = lane.number
        self._run = (recorder.run_id, recorder.settings, os.getpid())
        self._fresh = False

    def __getstate__(self) -> tuple[Any, ...]:
        """Return the arguments that create a new one."""
        return self._calculator, self._number, self._run

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Set a calculator that is already a copy."""
        self._calculator, self._number, self._run = state
        self._fresh = True

    def unpack(self, seen_by: str) -> tuple[Any, LiveLane]:
        """Return a calculator owned by the copy, and its lane."""
        calculator = self._calculator if self._fresh else copy.copy(self._calculator)
        return calculator, LiveLane(_run_of(*self._run), calculator, seen_by, self._number)


def _run_of(run_id: str, settings: Settings, pid: int) -> RecordedRun:
    known = process_hooks.find(run_id)
    if known is not None:
        return known
    if pid == os.getpid():  # the original's run has ended in this process
        ended = Recorder(settings)
        ended.end("closed")
        return ended
    return Recorder(settings, parent_run_id=run_id)
