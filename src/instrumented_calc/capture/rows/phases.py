"""The phases of a run: each driver that requests forces is one."""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.calls.driver import describe
from instrumented_calc.journal.records import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.driver import DriverWatch

DESCRIBED_LIMIT = 10_000  # lanes and phases beyond this number are recorded, but not described
REMEMBERED = 64  # drivers that are recognised when they request forces again


class Phases:
    """Numbers the drivers of one run in order of appearance, from 1; they are held weakly.

    Args:
        on_new: Receives the record of each driver that was not known yet.
        on_repeated_step: Called when a step takes another call.

    Attributes:
        on_driver: Called with each driver that was not known yet.
    """

    __slots__ = ("_given", "_lock", "_numbers", "_on_new", "_on_repeated_step", "_seen", "on_driver")

    def __init__(self, on_new: Callable[[Phase], None], *, on_repeated_step: Callable[[], None]) -> None:
        self._on_new = on_new
        self._on_repeated_step = on_repeated_step
        self._lock = threading.RLock()
        self._seen: list[tuple[weakref.ref[Any], int]] = []
        self._numbers = itertools.count(1)
        self._given: weakref.ref[Any] | None = None
        self.on_driver: Callable[[Any], object] = _ignore

    def follow(self, driver: Any) -> None:
        """Set the driver that the user named, if none is found on the stack."""
        self._given = weakref.ref(driver)

    def look(self, watch: DriverWatch, current: Any, index: int, wall_ns: int) -> Any:
        """Search for the driver of a call.

        Args:
            watch: The lane's watch, which follows the driver that is found.
            current: The driver so far, or None.
            index: Number of the call.
            wall_ns: Its duration, ns.

        Returns:
            The driver; `current` if none is found.
        """
        if current is not None and current.nsteps == watch.last_step:
            self._on_repeated_step()
        found = watch.search(current, wall_ns)
        if found is None and current is None and self._given is not None:
            found = self._given()
        if found is None:
            return current
        with self._lock:
            number = next((n for known, n in reversed(self._seen) if known() is found), None)
            if number is None:
                number = next(self._numbers)
                self._seen = [pair for pair in self._seen[-REMEMBERED:] if pair[0]() is not None]
                self._seen.append((weakref.ref(found), number))
                if number <= DESCRIBED_LIMIT:
                    self._on_new(Phase(phase=number, index=index, **describe(found)))
                self.on_driver(found)
            watch.follow(found, number)
        return found


def _ignore(_: Any) -> None:
    pass
