"""Calls write the waiting rows where the journal's thread does not keep up with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.capture.rows.outbox import CROWD

if TYPE_CHECKING:
    from instrumented_calc.capture.rows.outbox import Outbox

CROWDED = 1000  # waiting rows; a call then writes them itself
LATE_NS = 150_000_000  # age of waiting rows: the thread, which writes every 100 ms, has missed its time
PATIENCE_S = 1.0  # if the thread takes longer for a write, the file system is assumed to hang


class KeepingUp:
    """Watches the outbox of one run.

    Args:
        outbox: Holds the waiting rows.
        direct: Whether calls may write: only the thread writes to a network file system.

    Attributes:
        direct: Whether calls may write.
    """

    __slots__ = ("_outbox", "_stuck", "direct")

    def __init__(self, outbox: Outbox, *, direct: bool) -> None:
        self.direct = direct
        self._outbox = outbox
        self._stuck = False  # waiting for the thread was in vain

    def look(self, end: int, *, slow: bool) -> None:
        """Write the waiting rows after a slow call, and if the thread does not keep up.

        Where calls may not write, and where a write hangs, rows that have become too many are encoded to take
        less memory.

        Args:
            end: End of the call, on the clock.
            slow: Whether the call ended long after the previous one.
        """
        outbox = self._outbox
        waiting = len(outbox.rows)
        if self.direct:
            urgent = slow or end - outbox.written_until > LATE_NS
            if not urgent and waiting <= CROWDED:
                return
            # The thread may hold the lock without running: on a loaded machine, it runs once this one waits.
            patience = PATIENCE_S if urgent and not self._stuck else 0
            if outbox.drain(timeout=patience):
                self._stuck = False
                return
            self._stuck = self._stuck or patience > 0
        if waiting > CROWD:
            outbox.relieve()
