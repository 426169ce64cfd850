"""`instrumented-calc schema`: the JSON Schema of a journal's lines."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of one line of a journal."""
    import msgspec  # noqa: PLC0415 - `--help` stays quick

    from instrumented_calc.journal.records import json_schema  # noqa: PLC0415 - likewise

    typer.echo(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())
