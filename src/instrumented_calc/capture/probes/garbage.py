"""Garbage collections, charged to the call during which they ran.

`gc.callbacks` runs in the thread that triggered the collection, so the call that is open there is the one
that waited. Collections outside of calls are part of the gap. Nothing is paid on the calls themselves.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.active import active

if TYPE_CHECKING:
    from collections.abc import Callable


class GarbageProbe:
    """Listens to the collector while a run is recorded.

    Args:
        clock: The run's clock, in ns.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._start = 0
        gc.callbacks.append(self._listen)

    def _listen(self, when: str, info: dict[str, Any]) -> None:
        if when == "start":
            self._start = self._clock()
            return
        stack = active.stack
        if not stack:
            return
        row = stack[-1][0]
        elapsed = self._clock() - self._start
        row.gc_ns = elapsed + (0 if row.gc_ns is UNSET else row.gc_ns)
        generation = info["generation"]
        if row.gc_generation is UNSET or generation > row.gc_generation:
            row.gc_generation = generation

    def close(self) -> None:
        """Stop listening; other listeners stay as they are."""
        if self._listen in gc.callbacks:
            gc.callbacks.remove(self._listen)
