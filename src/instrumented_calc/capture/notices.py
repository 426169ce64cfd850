"""Events of a run that are not calls: its start, its end and notices, all through structlog.

The journal's logger turns every event into a record. For people there is another: if the program has called
`structlog.configure`, its own logger `instrumented_calc` receives every event; otherwise warnings are
printed on stderr, one line each. The program's configuration is used, never changed.

structlog is imported with this module, before the memory of a run is first sampled: it takes 13 MB.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog

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
        run_id: Bound to every event.
        write: Appends a record to the journal.
        now: Returns the time since the start of the run, in ns.
    """

    def __init__(self, run_id: str, write: Callable[[Any], None], now: Callable[[], int]) -> None:
        self._run_id = run_id
        self._now = now
        self._warned: set[str] = set()
        self._journal = structlog.wrap_logger(
            _JournalLogger(write),
            processors=[self._as_record],
            wrapper_class=structlog.BoundLogger,
            context_class=dict,
        ).bind(run_id=run_id)

    def record(self, record: msgspec.Struct) -> None:
        """Add a record of the run's start or end to the journal."""
        self._journal.info(record)

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
        self._journal.info(text, kind=kind, **details)
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
            self._journal.warning(text, kind=kind, **details)
        if kind not in self._warned:
            self._warned.add(kind)
            warn(text, kind=kind, run_id=self._run_id, **details)

    def _as_record(self, _: Any, level: str, event: Any) -> tuple[tuple[Any], dict[str, Any]]:
        """Processor: return the arguments for `_JournalLogger`, which are one record."""
        content, run_id = event.pop("event"), event.pop("run_id")
        if not isinstance(content, str):
            return (content,), {}
        notice = Notice(kind=event.pop("kind"), text=content, level=level, run_id=run_id, time_ns=self._now())
        if event:
            notice.details = event
        return (notice,), {}


class _JournalLogger:
    """Logger of structlog that appends to the journal."""

    def __init__(self, write: Callable[[Any], None]) -> None:
        self.info = self.warning = write


def warn(text: str, **details: Any) -> None:
    """Log a warning for people.

    Args:
        text: One readable line.
        **details: For the program's own log; stderr gets only the text.
    """
    failure = _log("warning", text, details) if structlog.is_configured() else ""
    if failure is not None:
        with own_faults_dropped():  # stderr may be closed
            _stderr.warning(text + failure)


def inform(text: str, **details: Any) -> None:
    """Log an event in the program's own log, if it has one.

    Args:
        text: One readable line.
        **details: For the log.
    """
    if structlog.is_configured():
        _log("info", text, details)


def _log(level: str, text: str, details: dict[str, Any]) -> str | None:
    """Log an event in the program's own log; return its failure in words, None without one."""
    try:
        getattr(structlog.get_logger(LOGGER), level)(text, **details)
    except Exception as error:  # of the program's processors and outputs
        if is_foreign(error):
            raise
        return f" (on stderr because logging it failed: {type(error).__name__}: {error})"
    return None


class _StderrLogger:
    """Logger of structlog that prints on stderr, which is looked up late."""

    warning = staticmethod(write_for_people)


_stderr = structlog.wrap_logger(
    _StderrLogger(),
    processors=[lambda _, __, event: f"instrumented-calc: {event['event']}\n"],
    wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    context_class=dict,
).bind()
