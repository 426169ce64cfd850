"""Detects calls that do not end, from outside the call.

The journal's thread inspects the stacks of all threads once no call has ended for long: calls pay nothing.
Code that holds the interpreter's lock all that time blocks this thread as well; then the stall is reported
when it is over.
"""

from __future__ import annotations

import statistics
import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.open_calls import open_calls
from instrumented_calc.capture.thread_stacks import all_stacks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from instrumented_calc.capture.open_calls import Entry

# A stall is longer than 20 medians; below a minute a slow step is not a stall.
TIMES_THE_MEDIAN = 20
SHORTEST_STALL_NS = 60_000_000_000
REMEMBERED = 101
DEEPEST = 40


@dataclass(frozen=True)
class Stall:
    """A call that has been open for long.

    Attributes:
        index: Its number.
        open_ns: Its duration so far, in ns.
        median_ns: The usual duration of a call, in ns; None before one has ended.
        stack: The stack of its thread, innermost frame last.
    """

    index: int
    open_ns: int
    median_ns: float | None
    stack: list[str]


class Watchdog:
    """Watches the calls of one run."""

    def __init__(self) -> None:
        self._walls: deque[int] = deque(maxlen=REMEMBERED)
        self._reported: set[int] = set()

    def saw(self, walls: Iterable[int]) -> None:
        """Add the durations of ended calls, in ns."""
        self._walls.extend(walls)

    def look(self, maker: Any, now: int) -> Stall | None:
        """Return a stall that was not reported yet.

        Args:
            maker: Makes the run's rows.
            now: The run's clock, in ns.
        """
        median = statistics.median(self._walls) if self._walls else None
        patience = max(TIMES_THE_MEDIAN * (median or 0), SHORTEST_STALL_NS)
        for thread, calls in open_calls_of(maker):
            index, start = calls[-1].index, calls[-1].start
            if index in self._reported or now - start < patience:
                continue
            self._reported.add(index)
            return Stall(index, now - start, median, stack_lines(all_stacks().get(thread)))
        return None


def open_calls_of(maker: Any) -> list[tuple[int, list[Entry]]]:
    """Return the open calls of one run.

    Args:
        maker: Makes the run's rows.

    Returns:
        For each thread with such a call: its ident, and the entries of its calls, outermost first.
    """
    found = []
    for thread, calls in open_calls():
        own = [entry for entry in calls if entry.maker is maker and entry.start]
        if own:
            found.append((thread, own))
    return found


def stack_lines(frame: FrameType | None) -> list[str]:
    """Return a stack as lines of text, innermost frame last."""
    if frame is None:  # the thread has ended since
        return []
    lines = traceback.format_list(traceback.extract_stack(frame)[-DEEPEST:])
    return [line.rstrip() for line in lines]
