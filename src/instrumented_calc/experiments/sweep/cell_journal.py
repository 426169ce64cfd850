"""Which cell a journal belongs to, and whether that cell is done: its first and last record are read."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.run_start import check_version
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_START = 1 << 20  # bytes: readers skip longer lines
TAIL_BYTES = 1 << 16  # `run_end` has at most a few kilobytes
END = b'{"event":"run_end"'


class _CellStart(msgspec.Struct, tag="run_start", tag_field="event"):
    run_id: str
    schema: str = ""
    started: str = ""
    series: str = ""
    environment: dict[str, Any] = {}


class _CellRunEnd(msgspec.Struct, tag="run_end", tag_field="event"):
    ended: str = ""
    run_id: str = ""
    failure: str = ""
    failure_message: str = ""


_decode_start = decoder(_CellStart).decode
_decode_end = decoder(_CellRunEnd).decode


@dataclass(frozen=True, slots=True)
class CellJournal:
    """A journal of a cell, complete or not.

    Attributes:
        path: The file.
        key: The cell's key, which the journal has as its series.
        run_id: The run's id.
        host: Name of the machine; empty if unknown.
        started: UTC time of its start, ISO 8601.
        ended: UTC time of its end; empty without a `run_end`.
        failure: The exception that ended it; empty if there is none.
        unreadable: Why it cannot be read any further, on one line; empty if it can.
    """

    path: Path
    key: str
    run_id: str
    host: str
    started: str
    ended: str = ""
    failure: str = ""
    unreadable: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the journal has a `run_end` without a failure."""
        return bool(self.ended) and not self.failure


def read_cell_journal(path: Path) -> CellJournal | None:
    """Read to which cell a journal belongs and how it ended.

    Args:
        path: The file, which may be missing, growing, truncated or something else.

    Returns:
        None if it is not a journal that has a series.
    """
    try:
        if not path.is_file():  # reading from a pipe would wait
            return None
        with path.open("rb") as file:
            start = _decode_start(file.readline(LONGEST_START))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL_BYTES, 0))
            end = _end_in(file.read())
        unreadable = _newer_schema(start.schema, path)
    except (OSError, ValueError, RecursionError):
        return None
    if not start.series:
        return None
    host = start.environment.get("host")
    found = CellJournal(
        path,
        start.series,
        start.run_id,
        host if isinstance(host, str) else "",
        start.started,
        unreadable=unreadable,
    )
    if end is None or end.run_id not in ("", start.run_id):
        return found
    failure = f"{end.failure}: {end.failure_message}" if end.failure else ""
    return replace(found, ended=end.ended, failure=failure)


def _newer_schema(schema: str, path: Path) -> str:
    try:
        check_version(schema, f"{shown_path(path)}:1")
    except JournalReadError as error:
        return str(error)
    return ""


def _end_in(tail: bytes) -> _CellRunEnd | None:
    """Return the last `run_end`; a line that is cut short is none."""
    whole, _, _ = tail.rpartition(b"\n")
    for line in reversed(whole.split(b"\n")):
        if line.startswith(END):
            return _decode_end(line)
    return None
