"""Garbage collections, charged to the call during which they ran.

`gc.callbacks` runs in the thread that triggered the collection, so the call that is open there is the one
that waited. Collections outside of calls are part of the gap. Nothing is paid on the calls themselves.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.open_calls import active, call_of

if TYPE_CHECKING:
    from instrumented_calc.capture.rows.row_maker import RowMaker


class GarbageProbe:
    """Listens to the collector while a run is recorded.

    Args:
        maker: What makes the run's rows; calls of other runs are left to theirs.
    """

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker
        self._clock = maker.clock
        self._start = 0
        gc.callbacks.append(self._listen)

    def _listen(self, when: str, info: dict[str, Any]) -> None:
        if when == "start":
            self._start = self._clock()
            return
        stack = active.stack
        if not stack or stack[-1][1] is not self._maker:
            return
        call = call_of(stack[-1])
        elapsed = self._clock() - self._start
        call[6] = elapsed + (0 if call[6] is UNSET else call[6])
        generation = info["generation"]
        if call[7] is UNSET or generation > call[7]:
            call[7] = generation

    def close(self) -> None:
        """Stop listening; other listeners stay as they are."""
        if self._listen in gc.callbacks:
            gc.callbacks.remove(self._listen)
