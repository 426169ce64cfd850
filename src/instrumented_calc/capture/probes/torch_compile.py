"""Compilation by torch.compile, charged to the call that waited for it.

Dynamo calls its callbacks at the start and the end of the outermost compilation, in the compiling thread. A
call without compilation pays nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.dynamo import callbacks
from instrumented_calc.capture.open_calls import active, call_of, extras_of

if TYPE_CHECKING:
    from instrumented_calc.capture.interfaces import CountingMaker

NAME = "torch.compile"


class TorchCompileProbe:
    """Listens to Dynamo during a run, once it is loaded.

    Args:
        maker: Makes the run's rows; compilation in calls of other runs is left to their listeners.
    """

    def __init__(self, maker: CountingMaker) -> None:
        self._maker = maker
        self._handler: Any = None
        self._start = 0
        self.look()

    def look(self) -> None:
        """Start listening, if Dynamo is now loaded."""
        if self._handler is None:
            self._handler = callbacks()
            if self._handler is None:
                return
            self._handler.register_start_callback(self._begun)
            self._handler.register_end_callback(self._ended)

    def _begun(self, *_: Any) -> None:
        self._start = self._maker.clock()

    def _ended(self, *_: Any) -> None:
        stack = active.stack
        if not stack or stack[-1].maker is not self._maker or not self._start:
            return
        times = extras_of(call_of(stack[-1])).setdefault("compile_ns", {})
        times[NAME] = times.get(NAME, 0) + self._maker.clock() - self._start

    def close(self) -> None:
        """Stop listening; other listeners are unchanged."""
        handler, self._handler = self._handler, None
        if handler is not None:
            with suppress(ValueError):  # the program has cleared them all
                handler.remove_start_callback(self._begun)
            with suppress(ValueError):
                handler.remove_end_callback(self._ended)
