"""Notices of the recorder during a run.

A notice is written to the journal as a row. A warning is also printed on stderr, or sent to the user's own
logger if structlog is configured, once per kind and run.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.stderr import write_for_people
from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.journal.records import Notice


class Notices:
    """The notices of one run.

    Args:
        run_id: Bound to every notice.
        write: Appends a notice to the journal.
    """

    def __init__(self, run_id: str, write: Callable[[Notice], None]) -> None:
        self._run_id = run_id
        self._write = write
        self._reported: set[str] = set()

    def info(self, kind: str, text: str, **details: Any) -> None:
        """Add a notice to the journal only."""
        self._note("info", kind, text, details)

    def warn(self, kind: str, text: str, *, journal: bool = True, **details: Any) -> None:
        """Add a notice to the journal and print it, once per kind and run.

        Args:
            kind: Stable kebab-case name.
            text: One readable line.
            journal: False if the journal itself fails.
            **details: Figures that belong to the notice.
        """
        if journal:
            self._note("warning", kind, text, details)
        if kind not in self._reported:
            self._reported.add(kind)
            # stderr may be closed, or a user's logger may fail.
            with own_faults_dropped():
                people_logger().warning(text, kind=kind, run_id=self._run_id, **details)

    def _note(self, level: str, kind: str, text: str, details: dict[str, Any]) -> None:
        from instrumented_calc.journal.records import Notice  # noqa: PLC0415 - off the hot path

        notice = Notice(kind=kind, text=text, level=level, run_id=self._run_id)
        if details:
            notice.details = details
        self._write(notice)


def people_logger() -> Any:
    """Return the logger for warnings: the user's own, if structlog is configured, else plain stderr."""
    # Only a program that has loaded structlog can have configured it. Loading it here would take 7 MB and 50
    # ms during a run whose memory is monitored, which would look like a jump.
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        return structlog.get_logger("instrumented_calc")
    return _PlainLines()


class _PlainLines:
    """Logger that prints on stderr, line by line."""

    def warning(self, text: str, **_: Any) -> None:
        write_for_people(f"instrumented-calc: {text}\n")
