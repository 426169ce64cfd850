"""The next call at which a trace window or a step profile is due."""

from __future__ import annotations

import threading


class PlannedCalls:
    """A part of the row maker, so that each call finds `attend_at` with one access.

    Attributes:
        attend_at: The smaller of the following two: every call compares its number with it.
        trace_at: Number of the call from which on a trace window is due or open; None if none is.
        profile_at: Number of the call from which on a step profile is due or open; None if none is.
    """

    __slots__ = ("_planning", "_profile_at", "_trace_at", "attend_at")

    def __init__(self) -> None:
        self.attend_at: int | None = None
        self._trace_at: int | None = None
        self._profile_at: int | None = None
        self._planning = threading.RLock()

    @property
    def trace_at(self) -> int | None:
        """Number of the call from which on a trace window is due or open; None if none is."""
        return self._trace_at

    @trace_at.setter
    def trace_at(self, index: int | None) -> None:
        with self._planning:
            self._trace_at = index
            self._attend()

    @property
    def profile_at(self) -> int | None:
        """Number of the call from which on a step profile is due or open; None if none is."""
        return self._profile_at

    @profile_at.setter
    def profile_at(self, index: int | None) -> None:
        with self._planning:
            self._profile_at = index
            self._attend()

    def _attend(self) -> None:
        due = [index for index in (self._trace_at, self._profile_at) if index is not None]
        self.attend_at = min(due, default=None)
