"""`instrumented-calc validate`: check journals against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.cli.given_files import given_files
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from instrumented_calc.journal.validation import Validation


def validate(
    journals: Annotated[list[Path], typer.Argument(metavar="RUN.JSONL", help="Journals.")],
) -> None:
    """Check every line of journals against the schema; exit code 1 if one violates it."""
    from instrumented_calc.journal.validation import validate_journal

    checked = [validate_journal(path) for path in given_files(journals)]
    for each in checked:
        typer.echo(_verdict(each))
        for problem in each.problems:
            typer.echo(f"{shown_path(each.path)}:{problem.number}: {problem.reason}", err=True)
    if not all(each.valid for each in checked):
        raise typer.Exit(1)


def _verdict(checked: Validation) -> str:
    records = sum(checked.events.values())
    name = shown_path(checked.path)
    if not checked.valid:
        return f"{name}: not valid, {checked.problem_count} lines violate the schema"
    state = "valid" if checked.complete else "valid, partial"
    tail = ", last line cut short" if checked.torn else ""
    unknown = sum(checked.unknown_events.values())
    ignored = f", {unknown} of unknown kind" if unknown else ""
    return f"{name}: {state}, {records:,} records{ignored}{tail}"
