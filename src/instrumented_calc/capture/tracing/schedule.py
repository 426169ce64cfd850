"""Schedules trace windows: by the user's setting, by their cost, or on request."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from instrumented_calc.capture.trace_settings import AUTO, Trace

if TYPE_CHECKING:
    from instrumented_calc.capture.rows.row_maker import RowMaker
    from instrumented_calc.capture.touch_files import Touched

FIRST_USE_NS = 2_000_000_000  # start-up of a profiler on a slow disk
SAFETY = 1.5  # windows vary
WARM_CALLS = 10  # no automatic window before
LOOK_EVERY_NS = 500_000_000  # for the file that requests a window


class Schedule:
    """Sets the row maker's `trace_at`, the number of the call at which a window is due.

    Args:
        setting: The user's setting.
        maker: Makes the run's rows; the hot path compares each call's number with its `trace_at`.
        origin: Start of the run, on its clock in ns.
        budget: Share of the wall time that automatic windows may take.
        request: The file that requests a window.
        libraries: Modules whose profilers can trace, in the order of preference.

    Attributes:
        requested: Whether the window that is due, or open, was requested by file.
        opened: Windows so far.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        setting: str | Trace,
        *,
        maker: RowMaker,
        origin: int,
        budget: float,
        request: Touched,
        libraries: tuple[str, ...],
    ) -> None:
        self._setting = setting
        self._maker = maker
        self._origin = origin
        self._budget = budget
        self._request = request
        self._libraries = libraries
        self._idle: set[str] = set()  # libraries that the calls did not use
        self._regular = 0  # windows that were not requested
        self._spent_ns = self._last_cost_ns = 0
        self._last_at_ns = 0  # start of the last window, since the start of the run
        self._next_look = 0
        self._stopped = False
        self.requested = False
        self.opened = 0
        self.plan_next(0)

    def plan_next(self, index: int) -> None:
        """Let the next window open at its call, if the user has set that.

        Args:
            index: The call that has just ended or was passed over.
        """
        self.requested = False
        setting = self._setting
        if isinstance(setting, Trace) and self._regular < setting.max_windows and not self._stopped:
            self._maker.trace_at = (index // setting.every_calls + 1) * setting.every_calls
        else:
            self._maker.trace_at = None

    def check(self, now: int) -> None:
        """Look for a request, and whether the budget allows an automatic window; no window is open.

        Args:
            now: The run's clock, in ns.
        """
        if self._stopped:
            return
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_NS
            if self._request.take():
                self.requested = True
                self._idle.clear()
                self._maker.trace_at = 0
                return
        if self._setting == AUTO and self._maker.trace_at is None and self._is_affordable(now):
            self._maker.trace_at = WARM_CALLS

    def _is_affordable(self, now: int) -> bool:
        if self.library() is None:
            return False
        elapsed = now - self._origin
        expected = int(SAFETY * self._last_cost_ns) if self.opened else FIRST_USE_NS
        return elapsed >= 2 * self._last_at_ns and self._spent_ns + expected <= self._budget * elapsed

    def library(self) -> str | None:
        """Return the library to trace: the first that is loaded and not known to be idle."""
        return next(
            (name for name in self._libraries if name in sys.modules and name not in self._idle), None
        )

    def passed_over(self, index: int, at_ns: int) -> None:
        """Wait for the next window: this one could not be opened.

        Args:
            index: The call at which it was due.
            at_ns: Now, since the start of the run.
        """
        self._last_at_ns = at_ns
        self.plan_next(index)

    def count(self) -> None:
        """Count a window that has traced a call."""
        self.opened += 1
        if not self.requested:
            self._regular += 1

    def charge(self, cost_ns: int, at_ns: int) -> None:
        """Note the cost of the window that was counted last.

        Args:
            cost_ns: Its cost, in ns.
            at_ns: Its start, since the start of the run.
        """
        self._spent_ns += cost_ns
        self._last_cost_ns = cost_ns
        self._last_at_ns = at_ns

    def after_empty(self, library: str, index: int) -> bool:
        """Plan the next window after one in which a library did nothing.

        Args:
            library: The library.
            index: The window's first call.

        Returns:
            Whether the user asked for windows and no library is left to trace.
        """
        wanted = self.requested or isinstance(self._setting, Trace)
        requested = self.requested
        self.plan_next(index)
        self._idle.add(library)
        if self.library() is not None:  # the calls may run another library
            self.requested = requested
            self._maker.trace_at = 0
            return False
        if wanted:
            self._maker.trace_at = None
        return wanted

    def stop(self) -> None:
        """Open no more windows."""
        self._stopped = True
        self._maker.trace_at = None
