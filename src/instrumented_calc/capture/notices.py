"""Events of a run that are not calls: its start, its end and notices.

All of them are records in the journal. For people: if the program has called `structlog.configure`, its own
logger `instrumented_calc` receives every event; otherwise warnings are printed on stderr, one line each. The
program's configuration is used, never changed, and structlog is not imported here: with all that it loads, it
takes 13 MB of a program.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.stderr import write_for_people
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.records import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

LOGGER = "instrumented_calc"


class Notices:
    """The notices of one run, and its first and last records.

    Args:
        run_id: The run, as named in every event.
        write: Appends a record to the journal.
        now: Returns the time since the start of the run, in ns.
    """

    def __init__(self, run_id: str, write: Callable[[Any], None], now: Callable[[], int]) -> None:
        self._run_id = run_id
        self._write = write
        self._now = now
        self._warned: set[str] = set()

    def record(self, record: msgspec.Struct) -> None:
        """Add a record of the run's start or end to the journal."""
        self._write(record)

    def announce(self, text: str, **details: Any) -> None:
        """Log the run's start or end for people; the journal has records of its own for them."""
        inform(text, run_id=self._run_id, **details)

    def info(self, kind: str, text: str, **details: Any) -> None:
        """Add a notice to the journal, and to the program's own log if it has one.

        Args:
            kind: Stable kebab-case name.
            text: One readable line.
            **details: Figures that belong to the notice.
        """
        self._note(kind, "info", text, details)
        inform(text, kind=kind, run_id=self._run_id, **details)

    def warn(self, kind: str, text: str, *, journal: bool = True, **details: Any) -> None:
        """Add a notice to the journal, and log it for people, once per kind and run.

        Args:
            kind: Stable kebab-case name.
            text: One readable line.
            journal: False if the journal itself fails.
            **details: Figures that belong to the notice.
        """
        if journal:
            self._note(kind, "warning", text, details)
        if kind not in self._warned:
            self._warned.add(kind)
            warn(text, kind=kind, run_id=self._run_id, **details)

    def _note(self, kind: str, level: str, text: str, details: dict[str, Any]) -> None:
        self._write(
            Notice(
                kind=kind,
                text=text,
                level=level,
                run_id=self._run_id,
                time_ns=self._now(),
                details=details or UNSET,
            )
        )


def warn(text: str, **details: Any) -> None:
    """Log a warning for people.

    Args:
        text: One readable line.
        **details: For the program's own log; stderr gets only the text.
    """
    log = _log_of_program()
    failure = "" if log is None else _logged(log, "warning", text, details)
    if failure is not None:
        with own_faults_dropped():  # stderr may be closed
            write_for_people(f"instrumented-calc: {text}{failure}\n")


def inform(text: str, **details: Any) -> None:
    """Log an event in the program's own log, if it has one.

    Args:
        text: One readable line.
        **details: For the log.
    """
    log = _log_of_program()
    if log is not None:
        _logged(log, "info", text, details)


def _log_of_program() -> Any:
    """Return structlog if the program has configured it, or None."""
    structlog = sys.modules.get("structlog")
    is_configured = getattr(structlog, "is_configured", None)  # None while it is being imported
    return structlog if is_configured is not None and is_configured() else None


def _logged(structlog: Any, level: str, text: str, details: dict[str, Any]) -> str | None:
    """Log an event in the program's own log; return its failure in words, None without one."""
    try:
        getattr(structlog.get_logger(LOGGER), level)(text, **details)
    except Exception as error:  # of the program's processors and outputs
        if is_foreign(error):
            raise
        return f" (on stderr because logging it failed: {type(error).__name__}: {error})"
    return None
