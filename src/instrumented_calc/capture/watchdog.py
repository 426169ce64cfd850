"""Notices a call that does not come to its end, from beside it.

The journal's thread looks at the stacks of all threads once no call has ended for long: calls pay nothing.
Code that holds the interpreter's lock for all that time keeps this thread waiting as well; then the stall is
told when it is over.
"""

from __future__ import annotations

import statistics
import threading
import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture import recorded
from instrumented_calc.capture.stacks import all_stacks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

# rules.md's STALL asks for 20 x the median; below a minute a slow step is no stall to anybody.
TIMES_THE_MEDIAN = 20
SHORTEST_STALL_NS = 60_000_000_000
REMEMBERED = 101
DEEPEST = 40


@dataclass(frozen=True)
class Stall:
    """A call that has been open for long.

    Attributes:
        index: Its number.
        open_ns: For how long, in ns.
        median_ns: The usual duration of a call, in ns; None before one has ended.
        stack: Where its thread is, the innermost frame last.
    """

    index: int
    open_ns: int
    median_ns: float | None
    stack: list[str]


class Watchdog:
    """Watches the calls of one run."""

    def __init__(self) -> None:
        self._walls: deque[int] = deque(maxlen=REMEMBERED)
        self._told: set[int] = set()

    def saw(self, walls: Iterable[int]) -> None:
        """Take the durations of some calls that have ended, in ns."""
        self._walls.extend(walls)

    def look(self, maker: Any, now: int) -> Stall | None:
        """Return a stall that was not told yet.

        Args:
            maker: What makes the run's rows.
            now: The run's clock, in ns.
        """
        median = statistics.median(self._walls) if self._walls else None
        patience = max(TIMES_THE_MEDIAN * (median or 0), SHORTEST_STALL_NS)
        for thread, frame in all_stacks().items():
            if thread == threading.get_ident():
                continue
            call = _open_call(frame, maker)
            if call is None or call[0] in self._told or now - call[1] < patience:
                continue
            self._told.add(call[0])
            lines = traceback.format_list(traceback.extract_stack(frame)[-DEEPEST:])
            return Stall(call[0], now - call[1], median, [line.rstrip() for line in lines])
        return None


def _open_call(frame: FrameType | None, maker: Any) -> tuple[int, int] | None:
    """Return index and start of the run's innermost call that is open in a thread."""
    while frame is not None:
        if frame.f_code.co_filename == recorded.__file__:
            entry = frame.f_locals.get("entry")
            start = frame.f_locals.get("start")
            if isinstance(entry, list) and entry[1] is maker and start:
                return entry[0], start
        frame = frame.f_back
    return None
