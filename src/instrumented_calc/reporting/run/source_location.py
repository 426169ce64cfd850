"""How reports name a place in the user's code."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal


def location(file: str, line: int, journal: Journal) -> str:
    """Return file and line, if known, the file as seen from the run's folder; nothing without a file."""
    if not file:
        return ""
    path = PurePath(file)
    folder = journal.start.directory if journal.start is not None else None
    if isinstance(folder, str) and path.is_relative_to(folder):
        path = path.relative_to(folder)
    shown = str(path) if not path.is_absolute() else path.name
    return identity.one_line(f"{shown}:{line}" if line else shown)
