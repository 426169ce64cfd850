"""Options that several commands share."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from instrumented_calc.plain_text import shown_path

CalculatorOption = Annotated[
    str,
    typer.Option(
        help="emt, lj, morse, orb-v2, orb-v2:FILE, orb-v2:random, orb-v3-conservative, orb-v3-direct, "
        "mace:FILE, mace:random, fennol:FILE, ani-2x, anisoap, anisoap:FILE, file.py:NAME or "
        "package.module:NAME, a calculator or a function that returns one."
    ),
]
JournalOption = Annotated[
    Path, typer.Option("--output", "-o", help="Journal to write; a number is added if the name is taken.")
]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="R.HTML", help="Write a page with plots, one file that loads nothing."),
]


def check_journal(output: Path) -> None:
    """Check that a journal can be written, before anything is built.

    A file is created in its folder and removed: of some folders, such as `/proc`, only that tells.

    Args:
        output: The journal's path.

    Raises:
        SettingsError: It is not a path.
        JournalPathError: It cannot be written.
    """
    from instrumented_calc.capture.bounded_wait import PATIENCE_S, StillWaitingError, within
    from instrumented_calc.capture.run.journal_path import wanted_journal
    from instrumented_calc.errors import JournalPathError

    path = Path(wanted_journal(output))
    try:
        with suppress(StillWaitingError):  # the first call tries again, and reports it
            within(PATIENCE_S, lambda: _create_and_remove(path.parent), undo=lambda _: None)
    except OSError as error:
        message = f"{shown_path(path)}: {error.strerror}; pass journal= with a writable path"
        raise JournalPathError(message) from error


def _create_and_remove(folder: Path) -> None:
    from instrumented_calc.journal.new_file import create

    path = folder / f".{os.urandom(8).hex()}.partial"
    os.close(create(path))
    path.unlink()


RENAMED = {"journal": "output"}  # the name of 0.1.0
# Of a command that writes a journal: the former name of `--output` is accepted, but not shown.
WRITES_JOURNAL: dict[str, Any] = {"token_normalize_func": lambda name: RENAMED.get(name, name)}
