"""Read a journal, fast and forgivingly.

A journal may be growing, cut short, or damaged: every good record is used, every bad line is
counted. Only a file that does not begin as a journal does is refused.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.collector import RowCollector

if TYPE_CHECKING:
    from typing import BinaryIO

    from instrumented_calc.journal.columns import Calls

# How a `call` line begins when the recorder wrote it; any other spelling works too, slowly.
CALL = b'{"event":"call",'
# Arrays of 128 KiB and more would make malloc ask the kernel for fresh pages each time.
CHUNK_BYTES = 120 * 1024
LONGEST_FIRST_LINE = 16 * 1024 * 1024
# A short row without optional fields; more rows than a file can hold this way still fit.
SHORT_ROW_BYTES = 80
BAD_LINES_KEPT = 5


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no record of the format."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Journal:
    """One journal in memory.

    Attributes:
        path: The file.
        size_bytes: How much of it was read: its size when it was opened.
        start: Its first record.
        calls: The `call` rows as columns.
        lanes: Wrapped calculators by number.
        phases: Drivers by number.
        slices: Exact sums of thinned stretches.
        contractions: What was contracted inside calls, a record about every second.
        conversions: What was converted or copied inside calls, likewise.
        traces: Trace windows.
        states: The simulation, now and then.
        machines: The machine, every few seconds.
        findings: What was found and told while the run went on.
        notices: What happened to the recording, and the user's marks.
        counters: The last totals written, by `run_end` or before; None when there were none.
        end: The last record; None in a journal that was cut short or is still growing.
        torn: The last line is cut in the middle.
        bad_lines: Number of unusable lines, the torn one apart.
        first_bad: The first few of them.
        unknown_events: Records of unknown kinds, by event.
    """

    path: Path
    size_bytes: int
    start: records.RunStart
    calls: Calls
    lanes: dict[int, records.Lane] = field(default_factory=dict)
    phases: dict[int, records.Phase] = field(default_factory=dict)
    slices: tuple[records.Slice, ...] = ()
    contractions: tuple[records.Contractions, ...] = ()
    conversions: tuple[records.Conversions, ...] = ()
    traces: tuple[records.Trace, ...] = ()
    states: tuple[records.State, ...] = ()
    machines: tuple[records.Machine, ...] = ()
    findings: tuple[records.Finding, ...] = ()
    notices: tuple[records.Notice, ...] = ()
    counters: records.Counters | None = None
    end: records.RunEnd | None = None
    torn: bool = False
    bad_lines: int = 0
    first_bad: tuple[BadLine, ...] = ()
    unknown_events: dict[str, int] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """Whether the journal has no `run_end`."""
        return self.end is None


def read_journal(path: str | os.PathLike[str]) -> Journal:
    """Read a journal.

    Args:
        path: The file, finished, cut short or still growing.

    Returns:
        The journal: calls as columns, all other records as they are.

    Raises:
        JournalReadError: If there is no such file, or it does not begin as a journal does.
    """
    file_path = Path(path)
    try:
        with file_path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.readline(LONGEST_FIRST_LINE)
            reading = _Reading(read_start(first, file_path), size)
            _read_body(file, reading, size)
    except OSError as error:
        message = f"cannot read {file_path}: {error.strerror or error}; give the path of a journal"
        raise JournalReadError(message) from error
    return reading.finished(file_path, size)


def read_start(line: bytes, path: Path) -> records.RunStart:
    """Decode line 1 of a journal.

    Args:
        line: The line.
        path: The file, for messages.

    Raises:
        JournalReadError: If it is no `run_start` of this major version.
    """
    where = f"{path}:1"
    if not line.strip():
        message = f"{path}: empty, no call has been recorded; give a journal such as run.jsonl"
        raise JournalReadError(message)
    try:
        found = msgspec.json.decode(line)
    except UNDECODABLE as error:
        message = f"{where}: no journal, {_looks_like(line)}; give a journal such as run.jsonl"
        raise JournalReadError(message) from error
    if not isinstance(found, dict) or found.get("event") != "run_start":
        event = found.get("event") if isinstance(found, dict) else None
        seen = f"a {event!r} record" if event else "JSON of another kind"
        message = f"{where}: no journal, begins with {seen} where `run_start` belongs"
        raise JournalReadError(message)
    _check_version(found.get("schema"), where)
    try:
        return msgspec.convert(found, records.RunStart)
    except msgspec.ValidationError:
        return _essentials(found, where)


def _looks_like(line: bytes) -> str:
    if b"\0" in line or not line.isascii():
        return "binary data"
    if line.startswith(b'{"event":"run_start"') and not line.endswith(b"\n"):
        return "its first record is cut short"
    return f"begins with {line[:24].decode('ascii').strip()!r}"


def _check_version(schema: Any, where: str) -> None:
    name, _, major = str(schema).partition("/")
    if name != records.SCHEMA.partition("/")[0] or not major.isdecimal():
        message = f"{where}: schema {schema!r} is none of ours; expected {records.SCHEMA!r}"
        raise JournalReadError(message)
    if int(major) > records.MAJOR_VERSION:
        message = (
            f"{where}: schema {schema!r} needs a newer instrumented-calc; pip install -U instrumented-calc"
        )
        raise JournalReadError(message)


def _essentials(found: dict[str, Any], where: str) -> records.RunStart:
    """Keep what identifies the run when an optional field is of an unexpected type."""
    essential = (
        "event",
        "schema",
        "run_id",
        "started",
        "pid",
        "version",
        "parent_run_id",
        "series",
    )
    try:
        kept = {name: found[name] for name in essential if name in found}
        return msgspec.convert(kept, records.RunStart)
    except msgspec.ValidationError as error:
        message = f"{where}: unusable `run_start`: {error}"
        raise JournalReadError(message) from error


def _read_body(file: BinaryIO, reading: _Reading, size: int) -> None:
    """Read whole lines up to the size that the file had when it was opened."""
    while (left := size - file.tell()) > 0:
        chunk = file.read(min(CHUNK_BYTES, left))
        if not chunk:
            break
        if not chunk.endswith(b"\n"):
            chunk += file.readline(max(0, size - file.tell()))
        reading.add(chunk)


KINDS: dict[str, type[msgspec.Struct]] = {str(kind.__struct_config__.tag): kind for kind in records.RECORDS}

# Records that are kept as they are, in the order of the file.
LISTED: dict[str, type[msgspec.Struct]] = {
    "slices": records.Slice,
    "contractions": records.Contractions,
    "conversions": records.Conversions,
    "traces": records.Trace,
    "states": records.State,
    "machines": records.Machine,
    "findings": records.Finding,
    "notices": records.Notice,
}

# What msgspec raises for bytes that are no record: JSON, UTF-8, or nested too deeply.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Kind(msgspec.Struct):
    """The key that all records share."""

    event: str


class _Reading:
    """A journal while it is being read."""

    def __init__(self, start: records.RunStart, size: int) -> None:
        self._start = start
        self._rows = RowCollector(size // SHORT_ROW_BYTES + 16)
        self._kind = msgspec.json.Decoder(Kind).decode
        self._decoders = {event: msgspec.json.Decoder(kind) for event, kind in KINDS.items()}
        self._lines = 1
        self._lists: dict[type[msgspec.Struct], list[Any]] = {kind: [] for kind in LISTED.values()}
        self._lanes: dict[int, records.Lane] = {}
        self._phases: dict[int, records.Phase] = {}
        self._counters: records.Counters | None = None
        self._end: records.RunEnd | None = None
        self._torn = False
        self._bad: list[BadLine] = []
        self._bad_count = 0
        self._unknown: Counter[str] = Counter()

    def add(self, chunk: bytes) -> None:
        """Add a chunk that begins at the start of a line; only the last may end within one."""
        whole = chunk.endswith(b"\n") and chunk.startswith(CALL)
        self._lines += (whole and self._add_rows(chunk)) or self._add_mixed(chunk)

    def _add_rows(self, block: bytes) -> int:
        """Add rows, all or none; return how many."""
        try:
            return self._rows.add(block)
        except UNDECODABLE:
            return 0

    def _add_mixed(self, chunk: bytes) -> int:
        """Add rows in blocks between the other records, so that the order of the file is kept."""
        lines = chunk.split(b"\n")
        begin = 0
        for place, line in enumerate(lines):
            last = place == len(lines) - 1
            if last or not line.startswith(CALL):
                self._add_block(lines, begin, place)
                self._add_line(line, self._lines + 1 + place, last=last)
                begin = place + 1
        return len(lines) - 1

    def _add_block(self, lines: list[bytes], begin: int, end: int) -> None:
        """Add rows; halve a block with bad lines until those are alone."""
        if begin == end or self._add_rows(b"\n".join(lines[begin:end]) + b"\n"):
            return
        if end - begin == 1:
            self._add_line(lines[begin], self._lines + 1 + begin, last=False)
            return
        middle = (begin + end) // 2
        self._add_block(lines, begin, middle)
        self._add_block(lines, middle, end)

    def _add_line(self, line: bytes, number: int, *, last: bool) -> None:
        if not line.strip():
            return
        try:
            self._add_record(line)
        except UNDECODABLE as error:
            if last:
                self._torn = True
                return
            self._bad_count += 1
            if len(self._bad) < BAD_LINES_KEPT:
                self._bad.append(BadLine(number, str(error)))

    def _add_record(self, line: bytes) -> None:
        event = self._kind(line).event
        if event == "call":
            self._rows.add(line + b"\n")
        elif event in self._decoders:
            self._keep(self._decoders[event].decode(line))
        else:
            self._unknown[event] += 1

    def _keep(self, record: msgspec.Struct) -> None:
        if type(record) in self._lists:
            self._lists[type(record)].append(record)
            return
        match record:
            case records.Lane():
                self._lanes[record.lane] = record
            case records.Phase():
                self._phases[record.phase] = record
            case records.Tally():
                self._counters = record.counters
            case records.RunEnd():
                self._end = record
                self._counters = record.counters

    def finished(self, path: Path, size: int) -> Journal:
        """Return the journal."""
        return Journal(
            path=path,
            size_bytes=size,
            start=self._start,
            calls=self._rows.finished(),
            lanes=self._lanes,
            phases=self._phases,
            **{name: tuple(self._lists[kind]) for name, kind in LISTED.items()},
            counters=self._counters,
            end=self._end,
            torn=self._torn,
            bad_lines=self._bad_count,
            first_bad=tuple(self._bad),
            unknown_events=dict(self._unknown),
        )
