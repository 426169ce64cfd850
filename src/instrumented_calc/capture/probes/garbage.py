"""Garbage collections, charged to the call during which they ran.

`gc.callbacks` runs in the thread that triggered the collection, so the call open in this thread is the one
that waited. Collections outside calls are part of the gap. Calls themselves pay nothing.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.open_calls import active, call_of, extras_of

if TYPE_CHECKING:
    from instrumented_calc.capture.interfaces import CountingMaker


class GarbageProbe:
    """Listens to the collector during a run.

    Args:
        maker: Makes the run's rows; collections in calls of other runs are left to their listeners.
    """

    def __init__(self, maker: CountingMaker) -> None:
        self._maker = maker
        self._clock = maker.clock
        self._start = 0
        gc.callbacks.append(self._listen)

    def _listen(self, when: str, info: dict[str, Any]) -> None:
        if when == "start":
            self._start = self._clock()
            return
        stack = active.stack
        if not stack or stack[-1].maker is not self._maker:
            return
        extras = extras_of(call_of(stack[-1]))
        extras["gc_ns"] = extras.get("gc_ns", 0) + self._clock() - self._start
        extras["gc_generation"] = max(extras.get("gc_generation", 0), info["generation"])

    def close(self) -> None:
        """Stop listening; other listeners are unchanged."""
        if self._listen in gc.callbacks:
            gc.callbacks.remove(self._listen)
