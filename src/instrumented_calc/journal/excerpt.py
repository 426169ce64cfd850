"""Read the beginning, the end and samples of a journal: enough to place one run among thousands.

A journal up to `WHOLE_BYTES` is read whole. Of a larger one the header and the first calls, the newest calls
with the totals, and evenly spaced samples of the calls between them are read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.beginning import BYTE_ORDER_MARK
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.lines import CALL, RECORD
from instrumented_calc.journal.row_types import row_type
from instrumented_calc.journal.run_start import BEGINNING, UNDECODABLE, decode_start, looks_like
from instrumented_calc.journal.untrusted_values import tame
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

HEAD_BYTES = 96 * 1024  # the header and the fields take 30 kB, then come calculators, drivers and first calls
TAIL_BYTES = 64 * 1024  # some hundred calls, and the totals
SPOTS, SPOT_BYTES = 12, 8 * 1024  # samples of what lies between
WHOLE_BYTES = HEAD_BYTES + TAIL_BYTES + SPOTS * SPOT_BYTES
FIELDS = RECORD + b'fields"'
CLOSED = b"}"

_Row = row_type(
    "ExcerptRow",
    (
        "index",
        "start_ns",
        "wall_ns",
        "gap_ns",
        "step",
        "parent",
        "energy_ev",
        "failure",
        "window",
        "profiled",
        "sliced",
    ),
)
_Other = records.Lane | records.Phase | records.State | records.Slice | records.Tally | records.RunEnd


@dataclass(slots=True)
class Excerpt:
    """What was read of one journal.

    Attributes:
        path: The file.
        size: Its size, bytes.
        modified: Unix time of its last change, s.
        whole: Whether all of it was read.
        start: The first record; None if it is lost.
        lanes: Wrapped calculators by number, of the beginning.
        phases: Drivers by number, of the beginning.
        rows: Calls, in order of the file, with the fields of `_Row`.
        states: States of the simulation, in order of the file.
        slices: Sums of a thinned journal.
        counters: The newest totals; None if there are none.
        end: The last record; None if the run was killed, or has not ended.
        damaged_lines: Lines that cannot be decoded, in what was read.
        torn: Whether the last line is incomplete.
    """

    path: Path
    size: int
    modified: float
    whole: bool
    start: records.RunStart | None = None
    lanes: dict[int, records.Lane] = field(default_factory=dict)
    phases: dict[int, records.Phase] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)
    states: list[records.State] = field(default_factory=list)
    slices: list[records.Slice] = field(default_factory=list)
    counters: records.Counters | None = None
    end: records.RunEnd | None = None
    damaged_lines: int = 0
    torn: bool = False

    @property
    def environment(self) -> records.Environment:
        """The machine and its software; empty if the first record is lost."""
        return records.Environment() if self.start is None else self.start.environment


def read_excerpt(path: Path) -> Excerpt:
    """Read the beginning, the end and samples of a journal.

    Args:
        path: The file.

    Raises:
        JournalReadError: It cannot be read, is not a journal, or needs a newer version.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "is a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file")
            whole = status.st_size <= WHOLE_BYTES
            head = os.pread(file, WHOLE_BYTES if whole else HEAD_BYTES, 0).removeprefix(BYTE_ORDER_MARK)
            found = Excerpt(path, status.st_size, status.st_mtime, whole)
            rest = () if whole else _samples(file, status.st_size)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read {shown_path(path)}: {reason}; give the path of a journal"
        raise JournalReadError(message) from error
    _take_start(found, head)
    lines = head.split(b"\n")
    last = lines.pop()
    taking = _Taking(found)
    taking.take(lines, beginning=True)
    for piece in rest:
        _, *inner = piece.split(b"\n")  # the first is the rest of a line
        last = inner.pop() if inner else b""
        taking.take(inner)
    if last.strip(b"\0\r "):
        found.torn = not taking.take_one(last, beginning=False)
    return found


def _samples(file: int, size: int) -> list[bytes]:
    """Return pieces of the file in order, the last of which is its end; each begins within a line."""
    begin, end = HEAD_BYTES, size - TAIL_BYTES
    places = [begin + (end - begin) * number // SPOTS for number in range(SPOTS)]
    return [os.pread(file, SPOT_BYTES, place) for place in places] + [os.pread(file, TAIL_BYTES, end)]


def _take_start(found: Excerpt, head: bytes) -> None:
    """Decode the first line; refuse a file that is not a journal.

    A journal whose first line is lost has records only, and is an excerpt without a start.
    """
    where = f"{shown_path(found.path)}:1"
    first = head.partition(b"\n")[0]
    try:
        found.start = decode_start(first, where)
    except UNDECODABLE as error:
        if not first.strip(b"\0\r "):
            what = "the file is empty" if not head.strip(b"\0\r\n ") else "its beginning is empty"
        else:
            what = looks_like(head[:HEAD_BYTES])
        if RECORD + b"call" not in head and BEGINNING not in head:
            message = f"{where}: not a journal, {what}; give a journal such as run.jsonl"
            raise JournalReadError(message) from error


@cache
def _decoders() -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """Return what decodes calls, and other records: made once per process."""
    return decoder(_Row).decode, decoder(_Other).decode


class _Taking:
    """Puts lines into an excerpt."""

    def __init__(self, found: Excerpt) -> None:
        self._found = found
        self._row, self._other = _decoders()
        self._indices: set[int] = set()

    def take(self, lines: Iterable[bytes], *, beginning: bool = False) -> None:
        """Take whole lines."""
        for line in lines:
            line = line.strip(b"\0\r ")  # noqa: PLW2901 - blocks of NUL are left by a crash
            if line and not self.take_one(line, beginning=beginning):
                self._found.damaged_lines += 1

    def take_one(self, line: bytes, *, beginning: bool) -> bool:
        """Take one line; return whether it is intact."""
        try:
            if line.startswith(CALL):
                self._take_row(self._row(line))
            elif not line.startswith((BEGINNING, FIELDS)):
                self._take_other(self._other(line), beginning=beginning)
        except UNDECODABLE:
            # A record that is not needed here, or of a later version, looks like this.
            return line.startswith(RECORD) and line.endswith(CLOSED) and not line.startswith(CALL)
        return line.endswith(CLOSED)

    def _take_row(self, row: Any) -> None:
        if row.index not in self._indices:  # samples may overlap
            self._indices.add(row.index)
            self._found.rows.append(row)

    def _take_other(self, record: Any, *, beginning: bool) -> None:
        found = self._found
        if isinstance(record, records.Lane) and beginning:
            if isinstance(record.model, dict):
                record.model = tame(record.model)
            found.lanes[record.lane] = record
        elif isinstance(record, records.Phase) and beginning:
            found.phases[record.phase] = record
        elif isinstance(record, records.State):
            found.states.append(record)
        elif isinstance(record, records.Slice):
            found.slices.append(record)
        elif isinstance(record, records.Tally):
            found.counters = record.counters
        elif isinstance(record, records.RunEnd) and (
            found.start is None or record.run_id in {UNSET, found.start.run_id}
        ):
            found.end, found.counters = record, record.counters
