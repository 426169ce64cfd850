"""`instrumented-calc schema`: the JSON Schema of a journal's lines."""

from __future__ import annotations

import msgspec
import typer

from instrumented_calc.journal.records import json_schema


def schema() -> None:
    """Print the JSON Schema of one line of a journal."""
    typer.echo(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())
