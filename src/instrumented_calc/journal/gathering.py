"""Collect the records of one run from the lines of files, like fsck: every intact line counts.

Damage by a crash, a full disk or a copy is separated from the records: lines cut or overwritten, runs of NUL
bytes, blocks repeated or moved, another run's lines. Wherever lines are missing the carried fields of later
rows are unknown until a row has them again.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.damage import BadLine, Damage, fragments
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.line_search import separated
from instrumented_calc.journal.lines import CALL, HOLE, RECORD, TOO_LONG
from instrumented_calc.journal.row_collector import RowCollector
from instrumented_calc.journal.run_start import UNDECODABLE, decode_start
from instrumented_calc.journal.untrusted_values import tame
from instrumented_calc.plain_text import plain, shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.journal.columns import Calls
    from instrumented_calc.journal.lines import Lines
    from instrumented_calc.journal.newest_calls import NewestCalls

# A short row without optional fields; files with even shorter rows still fit.
SHORT_ROW_BYTES = 80
# Room is reserved for at most this many rows: the size of a sparse file is not informative.
MOST_RESERVED = 4_000_000
BAD_LINES_KEPT = 5
UNKNOWN_KEPT, LONGEST_EVENT = 20, 40
OTHER_EVENTS = "(others)"

KINDS: dict[str, type[msgspec.Struct]] = {str(kind.__struct_config__.tag): kind for kind in records.RECORDS}
# Kinds of records that do not change how the lines after them are read.
PLAIN_EVENTS = KINDS.keys() - {"run_start", "call"}

# Records kept unchanged, in file order.
LISTED: dict[str, type[msgspec.Struct]] = {
    "slices": records.Slice,
    "systems": records.ComputedSystem,
    "contractions": records.Contractions,
    "conversions": records.Conversions,
    "product_times": records.ProductTimes,
    "traces": records.TraceWindow,
    "places": records.Places,
    "step_profiles": records.StepProfiles,
    "observers": records.Observers,
    "states": records.State,
    "machines": records.Machine,
    "open_calls": records.OpenCall,
    "findings": records.Finding,
    "notices": records.Notice,
}


class EventKey(msgspec.Struct):
    """The key common to all records."""

    event: str


class Gathering:
    """The records of one run while files are being read, in order of the files.

    Attributes:
        start: The run's first record; None until it is found.
        lists: Records kept unchanged, by kind.
        lanes: Wrapped calculators by number.
        phases: Drivers by number.
        counters: The last totals.
        end: The run's last record.
        torn: Whether the last line is cut short.
        bad: The first few bad lines.
        bad_count: Number of bad lines, excluding the torn one.
        unknown: Records of unknown kind, by event.
    """

    def __init__(self, size: int) -> None:
        """Prepare for files of this size in bytes."""
        self.start: records.RunStart | None = None
        self.lists: dict[type[msgspec.Struct], list[Any]] = {kind: [] for kind in LISTED.values()}
        self.lanes: dict[int, records.Lane] = {}
        self.phases: dict[int, records.Phase] = {}
        self.counters: records.Counters | None = None
        self.end: records.RunEnd | None = None
        self.torn = False
        self.bad: list[BadLine] = []
        self.bad_count = 0
        self.unknown: Counter[str] = Counter()
        self.rows = RowCollector(min(size // SHORT_ROW_BYTES, MOST_RESERVED) + 16)
        self._damage = Damage()
        self._kind = decoder(EventKey).decode
        self._decoders: dict[str, Callable[[bytes], msgspec.Struct]] = {}
        self._known = 0
        self._seen: set[int] = set()
        self._elsewhere = False
        self._where = ""
        # Rows of a chunk with their line numbers, and the places among them at which lines are missing.
        self._waiting: list[tuple[int, bytes]] = []
        self._gaps: list[int] = []
        self._bad_before = 0

    @property
    def empty(self) -> bool:
        """Whether no record of the format was found."""
        return not self._known and not self.rows.count

    def finished(self) -> tuple[Calls, Damage]:
        """Return the rows as columns, and the damage of the files."""
        calls, rows = self.rows.finished(), self.rows
        damage = replace(
            self._damage,
            repeated=self._damage.repeated + rows.repeated,
            conflicting=rows.conflicting,
            misplaced=rows.misplaced,
        )
        return calls, damage

    def read(self, lines: Lines, name: str, newest: NewestCalls | None = None) -> None:
        """Read a file.

        Args:
            lines: Its lines.
            name: Its path, for messages.
            newest: The black box, whose calls are skipped here: `add_newest` adds them.

        Raises:
            JournalReadError: If it has a newer major version or belongs to another program.
        """
        self._where = shown_path(name)
        self._elsewhere = False
        self._bad_before = len(self.bad)
        self.rows.forget()
        number = 1
        for chunk in lines.chunks():
            number += self._add(newest.without(chunk) if newest else chunk, number)
        found = self._damage
        self._damage = replace(
            found,
            empty_bytes=found.empty_bytes + lines.empty_bytes,
            long_lines=found.long_lines + lines.long_lines,
        )

    def add_newest(self, newest: NewestCalls) -> None:
        """Add the calls of the black box, after the journal: they are the newest."""
        counted = max((each.passed or 0 for each in self.lists[records.Slice]), default=0)
        since = max((each.time_ns for each in self.lists[records.Machine]), default=-1)
        self._elsewhere = False
        for chunk in newest.chunks(counted, since):
            self._add_mixed(chunk, 0)

    def _add(self, chunk: bytes, number: int) -> int:
        """Add a chunk that starts at the beginning of a line; only the last may end within one.

        Returns:
            The number of lines.
        """
        if chunk.endswith(b"\n") and not self._elsewhere and (added := self._add_intact(chunk, number)):
            return added
        self._add_mixed(chunk, number)
        return chunk.count(b"\n")

    def _add_intact(self, chunk: bytes, number: int) -> int:
        """Add a chunk of rows and records without damage, all or nothing; return the number of lines."""
        rows, others, lines = separated(chunk)
        found = []
        for place, line in others:
            if line:
                record = self._intact_record(line)
                if record is None:
                    return 0
                found.append((record, line, number + place))
        if rows and not self._add_rows(rows):
            return 0
        for record, line, where in found:
            self._keep(record, line, where)
        return lines

    def _intact_record(self, line: bytes) -> msgspec.Struct | None:
        """Decode a record, except the first of a run and others that need more care."""
        end = line.find(b'"', len(RECORD))
        event = line[len(RECORD) : end].decode("ascii", "replace") if line.startswith(RECORD) else ""
        if event not in PLAIN_EVENTS:
            return None
        try:
            return self._decoder(event)(line)
        except UNDECODABLE:
            return None

    def _decoder(self, event: str) -> Callable[[bytes], msgspec.Struct]:
        """Return the decoder of records of a kind; few kinds are in one journal, and making it takes 1 ms."""
        known = self._decoders.get(event)
        if known is None:
            known = self._decoders[event] = decoder(KINDS[event]).decode
        return known

    def _add_rows(self, block: bytes, gaps: Sequence[int] = ()) -> int:
        """Add rows, all or none; return their number."""
        try:
            return self.rows.add(block, gaps)
        except UNDECODABLE:
            return 0

    def _add_mixed(self, chunk: bytes, number: int) -> None:
        """Add the records of a chunk; its rows are decoded together."""
        lines = chunk.split(b"\n")
        for place, line in enumerate(lines):
            last = place == len(lines) - 1
            if not last and line.startswith(CALL):
                self._await_row(line, number + place)
            else:
                self._add_line(line, number + place, last=last)
        self._add_waiting()

    def _await_row(self, row: bytes, number: int) -> None:
        if self._elsewhere:
            self._leave_out(1, number)
        else:
            self._waiting.append((number, row))

    def _add_waiting(self) -> None:
        """Add the waiting rows together, or the good ones of them."""
        waiting, gaps = self._taken()
        if not self._add_together(waiting, gaps):
            self._sift(waiting, gaps)

    def _taken(self) -> tuple[list[tuple[int, bytes]], list[int]]:
        taken = self._waiting, self._gaps
        self._waiting, self._gaps = [], []
        return taken

    def _add_together(self, rows: list[tuple[int, bytes]], gaps: list[int]) -> bool:
        """Add rows, all or none; return whether they were added."""
        if rows:
            return bool(self._add_rows(b"\n".join(row for _, row in rows) + b"\n", gaps))
        if gaps:
            self.rows.forget()
        return True

    def _sift(self, waiting: list[tuple[int, bytes]], gaps: list[int]) -> None:
        """Add good rows, and report the bad ones."""
        known_gaps = set(gaps)
        for place, (number, row) in enumerate(waiting):
            if place in known_gaps:
                self._forget()
            try:
                self.rows.check(row)
                self._await_row(row, number)
            except UNDECODABLE as error:
                self._add_bad(BadLine(number, plain(str(error), longest=120)))
                self._salvage(row, number)
        if len(waiting) in known_gaps:
            self._forget()
        good, gaps = self._taken()
        if not self._add_together(good, gaps):
            for _, row in good:
                self._add_rows(row + b"\n")

    def _forget(self) -> None:
        """Note that lines are missing between the waiting rows."""
        if not self._gaps or self._gaps[-1] < len(self._waiting):
            self._gaps.append(len(self._waiting))

    def _add_line(self, line: bytes, number: int, *, last: bool) -> None:
        if not line.strip():
            return
        if line in {HOLE, TOO_LONG}:
            self._forget()
            return
        try:
            self._add_record(line, number)
        except UNDECODABLE as error:
            if last and not self._elsewhere:
                self.torn = True
            else:
                self._add_bad(BadLine(number, plain(str(error), longest=120)))
            self._salvage(line, number)

    def _add_bad(self, bad: BadLine) -> None:
        self._forget()
        self.bad_count += 1
        # Rows are decoded after the other lines of a chunk.
        insort(self.bad, bad, key=attrgetter("number"), lo=min(self._bad_before, len(self.bad)))
        del self.bad[BAD_LINES_KEPT:]

    def _salvage(self, line: bytes, number: int) -> None:
        """Add whole records within a bad line: a cut line runs into the next, intact one."""
        for fragment in fragments(line):
            with suppress(*UNDECODABLE):
                self._add_record(fragment, number)

    def _add_record(self, line: bytes, number: int) -> None:
        event = self._kind(line).event
        if event == "run_start":
            self._begin(line, number)
        elif self._elsewhere:
            self._leave_out(1, number)
        elif event == "call":
            self.rows.check(line)
            self._await_row(line.strip(), number)
        elif event in KINDS:
            self._keep(self._decoder(event)(line), line, number)
        else:
            name = plain(event, LONGEST_EVENT)
            known = name in self.unknown or len(self.unknown) < UNKNOWN_KEPT
            self.unknown[name if known else OTHER_EVENTS] += 1

    def _begin(self, line: bytes, number: int) -> None:
        """Treat a `run_start` as this run's, or as the start of another run's lines."""
        self._add_waiting()
        try:
            found = decode_start(line, f"{self._where}:{number}")
        except JournalReadError:
            if self.empty:
                raise
            self._elsewhere = True
            self._leave_out(1, number)
            return
        # The block with the start of the run may follow later ones; a row 0 before it belongs to another
        # run, whose own start is lost.
        if self.start is None and not self.rows.has_first:
            self.start = found
            self._known += 1
            self._elsewhere = False
        elif self.start is not None and found.run_id == self.start.run_id:
            self._repeat()
            self._elsewhere = False
        else:
            self._elsewhere = True
            self._leave_out(1, number)

    def _leave_out(self, lines: int, number: int) -> None:
        found = self._damage
        self._damage = replace(
            found,
            other_run_lines=found.other_run_lines + lines,
            other_run_from=found.other_run_from or number,
        )

    def _repeat(self) -> None:
        self._damage = replace(self._damage, repeated=self._damage.repeated + 1)

    def _keep(self, record: msgspec.Struct, line: bytes, number: int) -> None:
        self._known += 1
        if type(record) in self.lists:
            # A repeated block would count its sums twice.
            mark = hash(line.strip())
            if mark in self._seen:
                self._repeat()
                return
            self._seen.add(mark)
            self.lists[type(record)].append(_tamed(record))
            return
        match record:
            case records.Lane():
                self.lanes[record.lane] = _tamed(record)
            case records.Phase():
                self.phases[record.phase] = record
            case records.Tally():
                self._count(record.counters)
            case records.RunEnd():
                if self._is_other(record.run_id):
                    self._leave_out(1, number)
                    return
                self.end = record
                self._count(record.counters)

    def _is_other(self, run_id: object) -> bool:
        return self.start is not None and isinstance(run_id, str) and run_id != self.start.run_id

    def _count(self, counters: records.Counters) -> None:
        """Keep the largest totals, since they only increase and blocks can be out of order."""
        if self.counters is None or counters.calls >= self.counters.calls:
            self.counters = counters


def _tamed(record: Any) -> Any:
    """Limit the free-form fields of a record, and numbers of lines to those that it has."""
    match record:
        case records.Lane(model=dict()):
            record.model = tame(record.model)
        case records.Notice(details=dict()):
            record.details = tame(record.details)
        case records.Finding():
            record.numbers = tame(record.numbers)
        case records.Places():
            for each in record.stacks:
                each.stack = [number for number in each.stack if number < len(record.lines)]
    return record
