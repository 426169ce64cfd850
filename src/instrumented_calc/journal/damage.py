"""Damage of a journal's file, and what can be saved from a bad line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD = re.compile(rb'\{"event":"')


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not a record of the format."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Damage:
    """Damage of a file besides bad lines.

    Attributes:
        empty_bytes: NUL bytes, as left by a crash of the machine.
        long_lines: Lines too long to be a record.
        repeated: Records that occur more than once in the file and are counted once.
        conflicting: Rows dropped because another row has the same number but different times.
        misplaced: Rows that ended long before the row above them: blocks are out of order.
        other_run_lines: Lines of another run, which are not read.
        other_run_from: The first of these lines; None if all lines are of this run.
    """

    empty_bytes: int = 0
    long_lines: int = 0
    repeated: int = 0
    conflicting: int = 0
    misplaced: int = 0
    other_run_lines: int = 0
    other_run_from: int | None = None


def fragments(line: bytes) -> Iterator[bytes]:
    """Yield possible records within a line, other than the whole line."""
    starts = [found.start() for found in _RECORD.finditer(line)]
    for begin, end in pairwise([*starts, len(line)]):
        piece = line[begin:end]
        try:
            # In Latin-1 each character is one byte, so the end is a byte position.
            _, length = json.JSONDecoder().raw_decode(piece.decode("latin-1"))
        except (ValueError, RecursionError):
            continue
        if length < len(line):
            yield piece[:length]
