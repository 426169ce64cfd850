"""`instrumented-calc sweep`: models x systems x sizes x replicates, as cells that run independently."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.plain_text import shown_path

GROUP = typer.Typer(
    name="sweep",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@GROUP.callback()
def sweep() -> None:
    """Run models x systems x sizes x replicates, here or on a cluster."""


@GROUP.command()
def plan(
    file: Annotated[Path, typer.Argument(metavar="SWEEP.TOML", help="The plan: lists to be combined.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Manifest to write; default: SWEEP.json beside the plan."),
    ] = None,
) -> None:
    """Resolve a plan into a manifest: every cell with its key."""
    from instrumented_calc.experiments.sweep.manifest import write_manifest
    from instrumented_calc.experiments.sweep.plan import read_plan
    from instrumented_calc.quantities import plural

    manifest, notes = read_plan(file)
    path = output or file.with_suffix(".json")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    write_manifest(manifest, path)
    typer.echo(f"{plural(len(manifest.cells), 'cell')} in {shown_path(path)}")
