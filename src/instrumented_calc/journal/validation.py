"""Check a journal against the schema, line by line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.damage import BadLine
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.gathering import KINDS, LONGEST_EVENT, EventKey
from instrumented_calc.journal.lines import HOLE, LONGEST_LINE, TOO_LONG, open_lines
from instrumented_calc.journal.reader import no_journal
from instrumented_calc.journal.run_start import UNDECODABLE, check_version
from instrumented_calc.plain_text import plain, shown_path

if TYPE_CHECKING:
    import os

PROBLEMS_KEPT = 10
_LEFT_OUT = {HOLE: "NUL bytes", TOO_LONG: f"a line of more than {LONGEST_LINE:,} bytes"}


@dataclass(frozen=True, slots=True)
class Validation:
    """Result of a check.

    Attributes:
        path: The file.
        events: Valid records by event.
        unknown_events: Records of unknown kind by event: allowed, since a newer version may define them.
        complete: Whether there is a `run_end`.
        torn: Whether the last line is cut short, as a killed run leaves it: allowed without `run_end`.
        problem_count: Number of lines that violate the schema.
        problems: The first few of these lines.
    """

    path: Path
    events: dict[str, int]
    unknown_events: dict[str, int]
    complete: bool
    torn: bool
    problem_count: int
    problems: tuple[BadLine, ...]

    @property
    def valid(self) -> bool:
        """Whether every line conforms to the schema."""
        return not self.problem_count


def validate_journal(path: str | os.PathLike[str]) -> Validation:
    """Decode every line strictly.

    Args:
        path: The journal.

    Raises:
        JournalReadError: If it cannot be read, has no journal record, or has a newer version.
    """
    checking = _Checking(shown_path(path))
    with open_lines(path) as lines:
        head = lines.head()
        for number, line in lines.lines():
            checking.check(line, number)
    if checking.empty:
        raise JournalReadError(no_journal(path, head))
    return checking.finished(Path(path))


class _Version(Struct):
    schema: str


class _Checking:
    def __init__(self, where: str) -> None:
        self._decode = decoder(records.Record).decode
        self._kind = decoder(EventKey).decode
        self._version = decoder(_Version).decode
        self._where = where
        self._events: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._problems: list[BadLine] = []
        self._count = 0
        self._torn: BadLine | None = None
        self._within_hole = False

    @property
    def empty(self) -> bool:
        """Whether no record of the format was found."""
        return not self._events

    def check(self, line: bytes, number: int) -> None:
        """Check one line; only the last line of the file may lack its newline."""
        bare = line.strip()
        if not bare:
            return
        within, self._within_hole = self._within_hole, bare == HOLE
        if bare in _LEFT_OUT:
            if not within:
                self._add(BadLine(number, _LEFT_OUT[bare]))
            return
        try:
            event = self._kind(line).event
            if event == "run_start":
                check_version(self._version(line).schema, f"{self._where}:{number}")
            if event in KINDS:
                self._check_record(self._decode(line), number)
                self._events[event] += 1
            else:
                self._unknown[event[:LONGEST_EVENT]] += 1
        except UNDECODABLE as error:
            problem = BadLine(number, plain(str(error), longest=200))
            if line.endswith(b"\n"):
                self._add(problem)
            else:
                self._torn = problem

    def _check_record(self, record: msgspec.Struct, number: int) -> None:
        """Check constraints between records: the position of `run_start`."""
        starts = isinstance(record, records.RunStart)
        if starts and self._events:
            self._add(BadLine(number, "`run_start` after other records"))
        elif not starts and not self._events:
            self._add(BadLine(number, "the first record is not a `run_start`"))

    def _add(self, problem: BadLine) -> None:
        self._count += 1
        if len(self._problems) < PROBLEMS_KEPT:
            self._problems.append(problem)

    def finished(self, path: Path) -> Validation:
        """Return the result; a torn line after `run_end` is also a problem."""
        complete = self._events["run_end"] > 0
        if complete and self._torn is not None:
            self._add(self._torn)
        return Validation(
            path=path,
            events=dict(self._events),
            unknown_events=dict(self._unknown),
            complete=complete,
            torn=self._torn is not None,
            problem_count=self._count,
            problems=tuple(self._problems),
        )
