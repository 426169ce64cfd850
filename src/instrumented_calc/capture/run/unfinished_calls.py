"""Record calls that have not ended yet, so that the journal of a killed run shows its last open call."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.run.stalls import open_calls_of
from instrumented_calc.journal.records import OpenCall

if TYPE_CHECKING:
    from instrumented_calc.capture.open_calls import Entry

FIRST_NS = 1_000_000_000
LONGEST_PAUSE_NS = 30_000_000_000


class StillOpen:
    """Reports the open calls of one run: after 1 s, 2 s, 4 s, ..., then every 30 s.

    Args:
        maker: Makes the run's rows.
        origin: The clock at the start of the run, in ns.
    """

    def __init__(self, maker: Any, origin: int) -> None:
        self._maker = maker
        self._origin = origin
        self._due: dict[int, int] = {}  # by call number: duration at the next report

    def look(self, now: int) -> list[OpenCall]:
        """Return the reports that are due.

        Args:
            now: The run's clock, in ns.
        """
        reports = []
        due = {}
        for thread, calls in open_calls_of(self._maker):
            for entry in calls:
                index, open_ns = entry.index, now - entry.start
                due[index] = self._due.get(index, FIRST_NS)
                if open_ns >= due[index]:
                    reports.append(self._report(entry, open_ns, now, thread))
                while open_ns >= due[index]:
                    due[index] += min(due[index], LONGEST_PAUSE_NS)
        self._due = due
        return reports

    def _report(self, entry: Entry, open_ns: int, now: int, thread: int) -> OpenCall:
        report = OpenCall(index=entry.index, time_ns=now - self._origin, open_ns=open_ns)
        name = next((each.name for each in threading.enumerate() if each.ident == thread), None)
        if name is not None:
            report.thread = name
        return report
