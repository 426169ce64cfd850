"""Files given on the command line: patterns are expanded, and each file is taken once."""

from __future__ import annotations

import os
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import JournalReadError

if TYPE_CHECKING:
    from collections.abc import Iterable


def given_files(texts: Iterable[str | Path]) -> list[Path]:
    """Expand paths, patterns and comma-separated lists into files, each of them once.

    Args:
        texts: As the user gave them, also if the shell did not expand a quoted pattern.

    Raises:
        JournalReadError: If nothing matches a pattern.
    """
    found: dict[Any, Path] = {}
    for text in map(str, texts):
        for path in _expanded(text):
            found.setdefault(_identity(path), path)
    return [*found.values()]


def in_both(some: Iterable[Path], others: Iterable[Path]) -> list[Path]:
    """Return the files of the first group that are also in the second, under any name."""
    known = {_identity(path) for path in others}
    return [path for path in some if _identity(path) in known]


def _expanded(text: str) -> list[Path]:
    # The name of a file may contain a comma or a bracket.
    if _exists(text) or not any(mark in text for mark in "*?[,"):
        return [Path(text)]
    if "," in text:
        return [path for each in text.split(",") if each for path in _expanded(each)] or [Path(text)]
    matching = [Path(each) for each in sorted(glob(text, recursive=True))]  # noqa: PTH207 - folders may be patterns, too
    if not matching:
        message = f"no file matches {text}; give journals such as run.jsonl"
        raise JournalReadError(message)
    return matching


def _exists(text: str) -> bool:
    try:
        return os.path.lexists(text)
    except ValueError:  # a null character
        return True


def _identity(path: Path) -> Any:
    """Return what two names of one file have in common."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return path
    return (found.st_dev, found.st_ino)
