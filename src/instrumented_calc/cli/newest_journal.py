"""Find journals: the default one if the user names none, and a newer one than the one named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.beginning import is_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATTERN = "*.jsonl"


def newest_journal(directory: Path) -> Path:
    """Return the journal that was written most recently, whatever its name.

    Raises:
        JournalReadError: If the folder has none.
    """
    found = next(_newest_first(directory), None)
    if found is None:
        message = f"no journal ({PATTERN}) in {directory.resolve()}; give the path of a journal"
        raise JournalReadError(message)
    return found


def newer_journal(path: Path) -> Path | None:
    """Return the newest journal in the same folder if it is newer than this one, else None."""
    if not path.is_file():
        return None
    newest = next(_newest_first(path.parent), None)
    return newest if newest is not None and _written(newest) > _written(path) else None


def _newest_first(directory: Path) -> Iterator[Path]:
    """Return the journals of a folder; unfinished ones of other commands are hidden files."""
    named = [path for path in directory.glob(PATTERN) if not path.name.startswith(".")]
    return (path for path in sorted(named, key=_age) if is_journal(path))


def _age(path: Path) -> tuple[float, str]:
    return (-_written(path), path.name)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
