"""The observers of the run's drivers by name: calls, and the time in each of them alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.journal.vocabulary import OBSERVERS, OTHER

if TYPE_CHECKING:
    from instrumented_calc.analysis.timing.time_shares import Breakdown
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Observers


@dataclass(frozen=True, slots=True)
class ObserverUse:
    """One observer.

    Attributes:
        name: Its name: a function, a logger or a trajectory writer with its file.
        package: Its library; empty for the user's own code.
        file: File of the user's code.
        line: First line of the function there; 0 for libraries.
        calls: Number of calls.
        ns: Time in it without calculations and other observers, ns.
        share: That time as a part of the wall time.
    """

    name: str
    package: str
    file: str
    line: int
    calls: int
    ns: int
    share: float

    @property
    def is_sum(self) -> bool:
        """Whether it stands for all observers beyond the limit of a journal."""
        return self.name == OTHER


def measure_observers(journal: Journal, breakdown: Breakdown | None) -> list[ObserverUse] | None:
    """Return the observers, those with the most time first; None if none could be measured.

    Args:
        journal: The journal.
        breakdown: Its wall time, divided.
    """
    found = _newest(journal)
    if found is None or breakdown is None or not breakdown.wall_ns:
        return None
    total = sum(each.ns for each in found.observers)
    # What they did after the last call is not a part of the wall time.
    part = breakdown.of_kind(OBSERVERS) if journal.calls.sparse.get("observers_ns") is not None else total
    scale = min(part / total, 1.0) / breakdown.wall_ns if total else 0.0
    uses = [
        ObserverUse(each.observer, each.package, each.file, each.line, each.calls, each.ns, scale * each.ns)
        for each in found.observers
    ]
    return sorted(uses, key=lambda each: -each.ns)


def all_measured(journal: Journal) -> bool:
    """Return whether the observers of all drivers were measured, also if there were none."""
    found = _newest(journal)
    return found is not None and found.drivers >= len(journal.phases)


def _newest(journal: Journal) -> Observers | None:
    """Return the last record, which has all calls of observers."""
    return max(journal.observers, key=lambda each: each.time_ns, default=None)
