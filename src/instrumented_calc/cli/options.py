"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

CalculatorOption = Annotated[
    str,
    typer.Option(
        help="emt, lj, orb-v2, orb-v2:random, mace:FILE, fennol:FILE, anisoap, file.py:NAME or "
        "package.module:NAME, a calculator or a function that returns one."
    ),
]
JournalOption = Annotated[
    Path, typer.Option("--output", "-o", help="Journal to write; a number is added if the name is taken.")
]

RENAMED = {"journal": "output"}  # the name of 0.1.0
# Of a command that writes a journal: the former name of `--output` is accepted, but not shown.
WRITES_JOURNAL: dict[str, Any] = {"token_normalize_func": lambda name: RENAMED.get(name, name)}
