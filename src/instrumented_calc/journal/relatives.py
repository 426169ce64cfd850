"""Find the journals that belong with some: of workers and their parent, MPI ranks, parts of a requeued job.

Only the first line of each journal in the same folder is read.
"""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.journal.beginning import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATTERN = "*.jsonl"
MOST_FILES = 5_000
LONGEST_START = 1 << 20  # bytes: readers skip longer lines
# The ranks of one program make their first calls within this time of each other.
RANKS_APART_S = 600.0


class _Start(msgspec.Struct, tag="run_start", tag_field="event"):
    """What links a journal with others."""

    run_id: str
    started: str = ""
    parent_run_id: str | None = None
    series: str | None = None
    rank: int | None = None
    command: list[str] | None = None
    directory: str | None = None
    environment: dict[str, Any] = {}

    @property
    def is_named_series(self) -> bool:
        """Whether the user named the series; that of a batch job may hold other programs, too."""
        scheduler = self.environment.get("scheduler")
        job = scheduler.get("job_id") if isinstance(scheduler, dict) else None
        return not (isinstance(job, str) and self.series is not None and job in self.series)


_decode = msgspec.json.Decoder(_Start).decode


def with_relatives(paths: Sequence[Path]) -> list[Path]:
    """Return some journals, followed by those in their folders that belong with them.

    These are the journals of workers that a run started, of their parent and its other workers; of MPI ranks
    of one program; and of the parts of a requeued job.

    Args:
        paths: The journals.
    """
    folders = dict.fromkeys(path.parent for path in paths)
    given = {_key(path) for path in paths}
    mine = [start for start in map(_start_of, paths) if start is not None]
    others = [
        (path, start)
        for folder in folders
        for path in islice(sorted(folder.glob(PATTERN)), MOST_FILES)
        if not path.name.startswith(".") and _key(path) not in given and (start := _start_of(path))
    ]
    everyone = [*mine, *(start for _, start in others)]
    found: list[tuple[Path, _Start]] = []
    for known in mine:  # grows by what is found
        for pair in [pair for pair in others if _are_related(known, pair[1], everyone)]:
            others.remove(pair)
            # A copy of a journal that is already there would count twice.
            if all(pair[1].run_id != each.run_id for each in mine):
                mine.append(pair[1])
                found.append(pair)
    found.sort(key=lambda pair: (pair[1].started, pair[0].name))
    return [*paths, *(path for path, _ in found)]


def _are_related(one: _Start, other: _Start, everyone: Sequence[_Start]) -> bool:
    if other.parent_run_id == one.run_id or one.parent_run_id == other.run_id:
        return True
    if one.parent_run_id is not None and one.parent_run_id == other.parent_run_id:
        return True
    if one.series and one.series == other.series:
        return one.is_named_series or one.command == other.command
    return (
        one.rank != other.rank
        and _of_one_program(one, other)
        and _closest(one, other, everyone)
        and _closest(other, one, everyone)
    )


def _closest(one: _Start, other: _Start, everyone: Sequence[_Start]) -> bool:
    """Return whether two ranks ran together: no journal of the other's rank began closer to this one."""
    if one.rank is None or other.rank is None:
        return False
    rivals = [each for each in everyone if each.rank == other.rank and _of_one_program(one, each)]
    apart = _apart_s(one, other)
    return apart <= RANKS_APART_S and apart <= min(_apart_s(one, each) for each in rivals)


def _of_one_program(one: _Start, other: _Start) -> bool:
    return one.command == other.command and one.directory == other.directory


def _apart_s(one: _Start, other: _Start) -> float:
    try:
        return abs((_time(one) - _time(other)).total_seconds())
    except ValueError:
        return float("inf")


def _time(start: _Start) -> datetime:
    found = datetime.fromisoformat(start.started)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _start_of(path: Path) -> _Start | None:
    """Return the links of a journal; None if its first line is not the start of one."""
    try:
        if not path.is_file():  # reading from a pipe would wait
            return None
        with path.open("rb") as file:
            return _decode(file.readline(LONGEST_START).removeprefix(BYTE_ORDER_MARK))
    except (OSError, ValueError, RecursionError):
        return None


def _key(path: Path) -> Any:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return path
    return found.st_dev, found.st_ino
