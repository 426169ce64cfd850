"""`instrumented-calc bundle`: one archive to send to a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.cli.given_files import given_files
from instrumented_calc.plain_text import plain


def bundle(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUNS...", help="Journals, or folders with journals, tables and figures."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Archive to write: name.tar.gz.")],
) -> None:
    """Write journals, tables, figures, environment and checksums into one archive that `ingest` reads."""
    from instrumented_calc.intake.outgoing.bundle import write_bundle
    from instrumented_calc.quantities import bytes_of, plural

    written = write_bundle(given_files(runs), output)
    for each in written.left_out:
        typer.echo(f"left out: {plain(each)}", err=True)
    size = bytes_of(output.stat().st_size)
    typer.echo(f"{plural(len(written.members), 'member')}, {size}; home directories are masked", err=True)
    typer.echo(f"next: instrumented-calc ingest {output}", err=True)
    typer.echo(output)
