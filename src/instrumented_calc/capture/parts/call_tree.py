"""Which parts of one call ran inside which, and how much work they did."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from instrumented_calc.capture.open_calls import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Callable


class CallTree:
    """Receives the parts of one call in the order in which they run.

    It takes the place of a device's marks, so that stand-ins need no code for it.

    Args:
        clock: The thread's CPU time in ns: other than wall time, it is hardly longer on a busy machine.

    Attributes:
        parents: The part around each part when it first ran; empty for the calculator itself.
        entries: How often each part ran.
        times: Exclusive times of the parts, ns.
    """

    def __init__(self, clock: Callable[[], int] = time.thread_time_ns) -> None:
        self.parents: dict[str, str] = {}
        self.entries: dict[str, int] = {}
        self.times: dict[str, int] = {}
        self._clock = clock
        self._open = [""]
        self._last = clock()

    def enter(self, name: str) -> bool:
        """Note the start of a part; the names of the calculators around it are left out."""
        self.charge()
        name = name.rpartition(SEPARATOR)[2]
        self.parents.setdefault(name, self._open[-1])
        self.entries[name] = self.entries.get(name, 0) + 1
        self._open.append(name)
        return True

    def leave(self) -> None:
        """Note the end of the part that was entered last."""
        self.charge()
        self._open.pop()

    def charge(self) -> None:
        """Add the time since the last start or end to the part that was running."""
        now, name = self._clock(), self._open[-1]
        self.times[name] = self.times.get(name, 0) + now - self._last
        self._last = now
