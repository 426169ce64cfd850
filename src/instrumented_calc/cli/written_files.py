"""Files that a command writes: checked before any work, so that no journal is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.beginning import has_records
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def check_file(
    file: Path | None, option: str, journals: Sequence[Path] = (), folder: Path | None = None
) -> None:
    """Refuse a file that would replace a journal, or that cannot be written.

    Args:
        file: The file; None: nothing will be written.
        option: The option that names it, for the message.
        journals: Journals that are read.
        folder: A folder that the command creates if it does not exist.

    Raises:
        JournalReadError: The file is refused.
    """
    if file is None:
        return
    if has_records(file) or any(is_same(file, each) for each in journals):
        message = f"{file}: is a journal and is not overwritten; give another {option}"
        raise JournalReadError(message)
    if not file.parent.is_dir() and file.parent != folder:
        message = f"cannot write {shown_path(file)}: no such folder; give another {option}"
        raise JournalReadError(message)
    if file.is_dir():
        message = f"cannot write {shown_path(file)}: it is a folder; give a file as {option}"
        raise JournalReadError(message)


def write_file(file: Path, text: str | bytes, option: str) -> None:
    """Write a file and say so.

    Args:
        file: The file, replaced if it exists.
        text: Its content.
        option: The option that names it, for the message.

    Raises:
        JournalReadError: It cannot be written.
    """
    try:
        file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    except OSError as error:
        message = f"cannot write {shown_path(file)}: {error.strerror}; give another {option}"
        raise JournalReadError(message) from error
    typer.echo(f"wrote {shown_path(file)}", err=True)


def is_same(one: Path, other: Path) -> bool:
    """Return whether two paths are the same file."""
    try:
        return one.samefile(other)
    except OSError:
        return False
