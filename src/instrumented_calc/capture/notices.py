"""What the recorder has to say while a run goes on.

A notice goes to the journal as a row and, if it is a warning, to people: to stderr, or to the user's own
logger where structlog has been configured. Each kind is told to people once a run.
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
    """The voice of one run.

    Args:
        run_id: Bound to everything that is said.
        write: Takes each notice to the journal.
    """

    def __init__(self, run_id: str, write: Callable[[Notice], None]) -> None:
        self._run_id = run_id
        self._write = write
        self._told: set[str] = set()

    def info(self, kind: str, text: str, **details: Any) -> None:
        """Note something in the journal only."""
        self._note("info", kind, text, details)

    def warn(self, kind: str, text: str, *, journal: bool = True, **details: Any) -> None:
        """Note something in the journal and tell people, once a run and kind.

        Args:
            kind: Stable kebab-case name.
            text: One line for people.
            journal: False where the journal is what fails.
            **details: Figures that belong to the notice.
        """
        if journal:
            self._note("warning", kind, text, details)
        if kind not in self._told:
            self._told.add(kind)
            # Nobody may be listening: stderr closed, or a user's logger that fails.
            with own_faults_dropped():
                people_logger().warning(text, kind=kind, run_id=self._run_id, **details)

    def _note(self, level: str, kind: str, text: str, details: dict[str, Any]) -> None:
        from instrumented_calc.journal.records import Notice  # noqa: PLC0415 - off the hot path

        notice = Notice(kind=kind, text=text, level=level, run_id=self._run_id)
        if details:
            notice.details = details
        self._write(notice)


def people_logger() -> Any:
    """Return the logger for people: the user's own, if structlog is configured, else plain stderr."""
    # Only who has loaded structlog can have configured it. Loading it here would take 7 MB and 50 ms, in the
    # middle of a run whose memory is watched: a leak that is told would look like a jump from then on.
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        return structlog.get_logger("instrumented_calc")
    return _PlainLines()


class _PlainLines:
    """Says things on stderr, line by line."""

    def warning(self, text: str, **_: Any) -> None:
        write_for_people(f"instrumented-calc: {text}\n")
