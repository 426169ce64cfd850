"""Options that several commands share."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from instrumented_calc.errors import TargetError
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

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(budget: str) -> float:
    """Return the time of `--budget` in s.

    Args:
        budget: A number with its unit: 90s, 10m, 2h.

    Raises:
        TargetError: It is something else.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([smh])\s*", budget)
    if found is None:
        message = f"cannot read --budget {budget!r}; give a time: 90s, 10m or 2h"
        raise TargetError(message)
    return float(found[1]) * SECONDS[found[2]]


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
