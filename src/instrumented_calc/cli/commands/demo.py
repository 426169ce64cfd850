"""`instrumented-calc demo`: a profiled run of molecular dynamics with nothing but the core dependencies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.cli.options import WRITES_JOURNAL, CalculatorOption, JournalOption, check_journal
from instrumented_calc.cli.progress import show_progress

COMMAND_OPTIONS = {"context_settings": WRITES_JOURNAL}


def demo(
    calc: CalculatorOption = "emt",
    steps: Annotated[int, typer.Option(min=1, help="MD steps of 5 fs.")] = 500,
    n_atoms: Annotated[int, typer.Option(min=1, help="Number of atoms, a multiple of four.")] = 32,
    output: JournalOption = Path("run.jsonl"),
) -> None:
    """Run profiled NVE dynamics of copper; print the summary and the next command."""
    from instrumented_calc.experiments.demo import run_demo
    from instrumented_calc.experiments.systems import copper

    check_journal(output)
    atoms = copper(n_atoms)
    if len(atoms) != n_atoms:
        typer.echo(f"note: {n_atoms} atoms requested; whole copper cells give {len(atoms)}", err=True)
    with show_progress() as show:
        path = run_demo(
            calc,
            atoms,
            steps=steps,
            journal=output,
            on_step=lambda done: show("copper, NVE, 300 K", done, steps),
        )
    if not sys.stdout.isatty():  # on a terminal, the summary has just named it
        typer.echo(path)
