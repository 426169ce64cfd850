"""Times each observer of the run's drivers: its calls, and the time in it alone."""

from __future__ import annotations

from contextlib import suppress
from operator import index
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.places.identity_table import IdentityTable
from instrumented_calc.capture.places.observed_loop import forget, time_observers, uses_loop
from instrumented_calc.capture.places.observer_names import ObserverName, name_of
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.records import Observers, ObserverTime
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from instrumented_calc.capture.rows.row_maker import RowMaker

MOST_OBSERVERS = 100
MOST_REMEMBERED = 1_000  # functions; beyond it they are named again
FIRST_RECORD_NS = 2_000_000_000  # then at doubling distances
ENTRY_LENGTH = 4  # function, interval, args, kwargs


class ObserverSums:
    """The calls of one observer, and the time in it in ns."""

    __slots__ = ("calls", "ns")

    def __init__(self) -> None:
        self.calls = self.ns = 0


class ObserverTimes:
    """The observers of one run, with the time in each of them, without calculations and other observers.

    Args:
        maker: Makes the run's rows.
        clock: The run's clock, in ns.
        origin: The clock at the start of the run.

    Attributes:
        total_ns: Time in all observers so far.
    """

    def __init__(self, maker: RowMaker, clock: Callable[[], int], origin: int) -> None:
        self.total_ns = 0
        self._maker = maker
        self._clock = clock
        self._origin = origin
        self._next_record = origin + FIRST_RECORD_NS
        self._drivers = 0
        self._sums: dict[ObserverName, ObserverSums] = {}
        self._known: IdentityTable[ObserverSums] = IdentityTable()  # of each function

    def follow(self, driver: Any) -> None:
        """Time the observers of a driver from now on, if it calls them in ASE's loop.

        Args:
            driver: A driver that is new in this run; held weakly.
        """
        with own_faults_dropped():  # samples of the stack tell, too
            if time_observers(driver, self) and uses_loop(driver):
                self._drivers += 1

    def timed(self, driver: Any, entries: Iterable[Any]) -> Iterator[Any]:
        """Yield the entries of a driver's list, and time those that it calls in this step.

        It costs less than a microsecond for each observer: no call is spent on structure.
        """
        clock, maker, known = self._clock, self._maker, self._known.values.get
        total = 0
        try:
            for entry in entries:
                sums = None
                if type(entry) is tuple and len(entry) == ENTRY_LENGTH:
                    function, interval, _, _ = entry
                    if type(interval) is not int or interval < 1:
                        sums = self._sums_if_due(driver, function, interval)
                    elif not driver.nsteps % interval:
                        sums = known(id(function)) or self._new_sums(function)
                    del function  # until the next step it is the user's alone
                if sums is None:
                    yield entry
                    continue
                inside = maker.calculated_ns + self.total_ns
                start = clock()
                try:
                    yield entry
                finally:  # also if the observer raises: the loop then drops this generator
                    spent = clock() - start - (maker.calculated_ns + self.total_ns - inside)
                    sums.calls += 1
                    if spent > 0:
                        sums.ns += spent
                        total += spent
        finally:
            self.total_ns += total
            maker.observers_ns += total

    def _sums_if_due(self, driver: Any, function: Any, interval: Any) -> ObserverSums | None:
        """Return the sums of an observer, or None if the driver does not call it now, by ASE's rule."""
        try:
            number = index(interval)
        except TypeError:  # ASE's loop may raise, or compare in its own way
            return None
        steps = driver.nsteps
        due = not steps % number if number > 0 else steps == -number
        return (self._known.values.get(id(function)) or self._new_sums(function)) if due else None

    def _new_sums(self, function: Any) -> ObserverSums | None:
        """Return the sums of an observer that is not known; None if its name cannot be determined."""
        try:
            name = name_of(function)
        except Exception as error:
            if is_foreign(error):
                raise
            return None
        sums = self._sums.get(name)
        if sums is None:
            if len(self._sums) >= MOST_OBSERVERS:
                name = ObserverName(OTHER)
            sums = self._sums.setdefault(name, ObserverSums())
        if len(self._known.values) >= MOST_REMEMBERED:
            self._known.clear()
        with suppress(TypeError):  # an object without weak references is named at each call
            self._known.put(function, sums)
        return sums

    def record(self, now: int, *, last: bool = False) -> Observers | None:
        """Return the record of all observers so far, if it is due.

        Args:
            now: The run's clock, in ns.
            last: Whether the run ends.
        """
        if not (self._drivers or self._sums) or not (last or now >= self._next_record):
            return None
        self._next_record = now + (now - self._origin)
        rows = sorted([*self._sums.items()], key=lambda item: -item[1].ns)
        return Observers(
            time_ns=now - self._origin,
            drivers=self._drivers,
            observers=[
                ObserverTime(each.name, sums.calls, sums.ns, each.package, each.file, each.line)
                for each, sums in rows
            ],
        )

    def close(self) -> None:
        """Time nothing from now on, and leave ASE's classes as they were."""
        forget(self)
