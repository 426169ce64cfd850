"""Have ASE's own loop over a driver's observers show when each of them starts and ends.

ASE's `call_observers` reads `self.observers` and calls the entries that are due. While a run is recorded, a
descriptor on the class that defines the loop answers this one read with an iterator over the same list, which
reads the clock before and after each entry. Everything else is as before: the loop is ASE's, the list is the
user's and stays in the object's dictionary, so that other reads and all changes, copies and pickles see it.
"""

from __future__ import annotations

import sys
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from instrumented_calc.capture.attribute_lookup import found_on, keep_attributes_fast
from instrumented_calc.capture.open_calls import active
from instrumented_calc.capture.places.identity_table import IdentityTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

NAME = "observers"
LOOP = "call_observers"
LIBRARY = "ase."

_lock = threading.RLock()
_loops: dict[type, ObservedLoop] = {}


class Timer(Protocol):
    """Times the observers of some drivers."""

    def timed(self, driver: Any, entries: Iterable[Any]) -> Iterator[Any]:
        """Yield the entries unchanged, and time what happens until the next one is requested."""


class ObservedLoop:
    """A descriptor that stands before the attribute `observers` of a class's objects.

    Args:
        code: The code of the loop.
    """

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._timers: IdentityTable[tuple[Timer, ...]] = IdentityTable()  # of each driver

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the object's own list; in ASE's loop over it, an iterator if the object is timed."""
        if instance is None:
            message = f"type object {getattr(owner, '__name__', '')!r} has no attribute {NAME!r}"
            raise AttributeError(message, name=NAME, obj=owner)
        try:
            found = instance.__dict__[NAME]
        except KeyError:
            message = f"{type(instance).__name__!r} object has no attribute {NAME!r}"
            raise AttributeError(message, name=NAME, obj=instance) from None
        if sys._getframe(1).f_code is not self._code:
            return found
        timers = self._timers.values.get(id(instance))
        # Inside a recorded call the time belongs to the calculator.
        if timers is None or type(found) is not list or not found or active.stack:
            return found
        for timer in timers:
            found = timer.timed(instance, found)
        return found

    def __set__(self, instance: Any, value: Any) -> None:
        """Replace the object's list."""
        instance.__dict__[NAME] = value

    def __delete__(self, instance: Any) -> None:
        """Remove the object's list."""
        try:
            del instance.__dict__[NAME]
        except KeyError:
            message = f"{type(instance).__name__!r} object has no attribute {NAME!r}"
            raise AttributeError(message, name=NAME, obj=instance) from None

    def add(self, driver: Any, timer: Timer) -> None:
        """Have a timer see the observers of a driver, which is held weakly."""
        timers = self._timers.values.get(id(driver), ())
        if timer not in timers:
            self._timers.put(driver, (*timers, timer))

    def remove(self, timer: Timer) -> bool:
        """Remove a timer from all drivers; return whether none is left."""
        for identity, timers in [*self._timers.values.items()]:
            left = tuple(each for each in timers if each is not timer)
            if left:
                self._timers.values[identity] = left
            else:
                self._timers.remove(identity)
        return not self._timers.values


def loop_owner(driver: Any) -> type | None:
    """Return the class of ASE whose `call_observers` a driver inherits; None if it has none."""
    for base in type(driver).__mro__:
        loop = vars(base).get(LOOP)
        if type(loop) is FunctionType and base.__module__.startswith(LIBRARY):
            return base
    return None


def time_observers(driver: Any, timer: Timer) -> bool:
    """Have a timer see the observers of a driver.

    Args:
        driver: The driver, held weakly.
        timer: The timer.

    Returns:
        Whether the driver inherits ASE's loop; a class of the user may still not call it.
    """
    owner = loop_owner(driver)
    if owner is None:
        return False
    with _lock:
        loop = _loops.get(owner)
        if loop is None:
            if NAME in vars(owner):
                return False
            loop = _loops[owner] = ObservedLoop(vars(owner)[LOOP].__code__)
            setattr(owner, NAME, loop)
        keep_attributes_fast(driver)
        loop.add(driver, timer)
    return True


def uses_loop(driver: Any) -> bool:
    """Return whether it is ASE's own method that calls a driver's observers."""
    owner = loop_owner(driver)
    return owner is not None and found_on(type(driver), LOOP) is vars(owner)[LOOP]


def forget(timer: Timer) -> None:
    """Remove a timer, and the descriptors that have none left."""
    with _lock:
        for owner, loop in [*_loops.items()]:
            if loop.remove(timer):
                del _loops[owner]
                if vars(owner).get(NAME) is loop:
                    delattr(owner, NAME)
