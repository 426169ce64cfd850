"""Find journals: the default one if the user names none, and a newer one than the one named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.errors import JournalReadError

if TYPE_CHECKING:
    from pathlib import Path

PATTERN = "run*.jsonl"
JOURNAL_START = b'{"event":"run_start"'


def newest_journal(directory: Path) -> Path:
    """Return the journal that was written most recently.

    Raises:
        JournalReadError: If the folder has none.
    """
    found = sorted(directory.glob(PATTERN), key=_written)
    if not found:
        message = f"no {PATTERN} in {directory.resolve()}; give the path of a journal"
        raise JournalReadError(message)
    return found[-1]


def newer_journal(path: Path) -> Path | None:
    """Return the newest journal in the same folder if it is newer than this one, else None."""
    if not path.is_file():
        return None
    newer = [each for each in path.parent.glob(PATTERN) if _written(each) > _written(path)]
    return max(newer, key=_written, default=None)


def is_journal(path: Path) -> bool:
    """Return whether a file starts like a journal."""
    try:
        if not path.is_file():  # reading from a pipe would wait
            return False
        with path.open("rb") as file:
            return file.read(len(JOURNAL_START)) == JOURNAL_START
    except (OSError, ValueError):
        return False


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
