"""Check a journal against the schema, line by line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import (
    KINDS,
    LONGEST_FIRST_LINE,
    UNDECODABLE,
    BadLine,
    Kind,
    read_start,
)

if TYPE_CHECKING:
    import os

PROBLEMS_KEPT = 10


@dataclass(frozen=True, slots=True)
class Validation:
    """What a check found.

    Attributes:
        path: The file.
        events: Valid records by event.
        unknown_events: Records of unknown kinds by event: allowed, a newer version may know them.
        complete: There is a `run_end`.
        torn: The last line is cut short, as a killed run leaves it: allowed without `run_end`.
        problem_count: Lines that break the schema.
        problems: The first few of them.
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
        """Whether every line keeps to the schema."""
        return not self.problem_count


def validate_journal(path: str | os.PathLike[str]) -> Validation:
    """Decode every line strictly.

    Args:
        path: The journal.

    Raises:
        JournalReadError: If it cannot be opened or does not begin as a journal does.
    """
    file_path = Path(path)
    checking = _Checking()
    try:
        with file_path.open("rb") as file:
            first = file.readline(LONGEST_FIRST_LINE)
            read_start(first, file_path)
            checking.check(first, 1)
            for number, line in enumerate(file, 2):
                checking.check(line, number)
    except OSError as error:
        message = f"cannot read {file_path}: {error.strerror or error}; give the path of a journal"
        raise JournalReadError(message) from error
    return checking.finished(file_path)


class _Checking:
    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(records.Record).decode
        self._kind = msgspec.json.Decoder(Kind).decode
        self._events: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._problems: list[BadLine] = []
        self._count = 0
        self._torn: BadLine | None = None

    def check(self, line: bytes, number: int) -> None:
        """Check one line; only the file's last can lack its newline."""
        try:
            event = self._kind(line).event
            if event in KINDS:
                self._decode(line)
                self._events[event] += 1
            else:
                self._unknown[event] += 1
        except UNDECODABLE as error:
            problem = BadLine(number, str(error))
            if line.endswith(b"\n"):
                self._add(problem)
            else:
                self._torn = problem

    def _add(self, problem: BadLine) -> None:
        self._count += 1
        if len(self._problems) < PROBLEMS_KEPT:
            self._problems.append(problem)

    def finished(self, path: Path) -> Validation:
        """Return what was found: a torn line after `run_end` is a problem as well."""
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
