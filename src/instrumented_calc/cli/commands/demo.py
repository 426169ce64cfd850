"""`instrumented-calc demo`: a profiled run of molecular dynamics with nothing but the core dependencies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.cli.progress import show_progress
from instrumented_calc.experiments.demo import run_demo


def demo(
    calc: Annotated[str, typer.Option(help="Calculator: emt, lj, morse or package.module:factory.")] = "emt",
    steps: Annotated[int, typer.Option(min=1, help="MD steps of 5 fs.")] = 500,
    n_atoms: Annotated[int, typer.Option(min=1, help="Number of atoms, a multiple of four.")] = 32,
    journal: Annotated[
        Path, typer.Option(help="Journal to write; a number is added if the name is taken.")
    ] = Path("run.jsonl"),
) -> None:
    """Run profiled NVE dynamics of copper; print the summary and the next command."""
    with show_progress() as show:
        path, size = run_demo(
            calc,
            n_atoms=n_atoms,
            steps=steps,
            journal=journal,
            on_step=lambda done: show("copper, NVE, 300 K", done, steps),
        )
    if size != n_atoms:
        typer.echo(f"{n_atoms} atoms requested; whole copper cells give {size}", err=True)
    typer.echo(path)
