"""`instrumented-calc profile`: a calculator in live dynamics or on saved frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instrumented_calc.cli.options import WRITES_JOURNAL, CalculatorOption, JournalOption

if TYPE_CHECKING:
    from instrumented_calc.experiments.profile import Profile

MOST_EQUILIBRATION = 100
DEFAULT_STEPS = 100

COMMAND_OPTIONS = {"context_settings": WRITES_JOURNAL}


def profile(
    calc: CalculatorOption = "emt",
    system: Annotated[
        str,
        typer.Option(help="water, silicon, aluminum, iron, copper, benzene, ellipsoids, species-1 to -4."),
    ] = "copper",
    n_atoms: Annotated[
        int, typer.Option(min=1, help="Number of atoms; rounded to the nearest possible size.")
    ] = 64,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="MD steps, 100 by default; with --frames, maximum number of frames."),
    ] = None,
    ensemble: Annotated[str, typer.Option(help="nve, langevin or npt.")] = "nve",
    timestep: Annotated[
        float | None, typer.Option(help="Time step in fs; the default depends on the system.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Temperature in K.")] = 300.0,
    equilibrate: Annotated[
        int | None,
        typer.Option(
            min=0, help="Langevin equilibration steps, a separate phase. Default: --steps, at most 100."
        ),
    ] = None,
    frames: Annotated[
        Path | None, typer.Option(help="Replay this trajectory (any format ASE reads) instead of MD.")
    ] = None,
    trace: Annotated[
        str, typer.Option(help="Trace windows: auto, off, or one window every N calls.")
    ] = "auto",
    output: JournalOption = Path("run.jsonl"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of structure, velocities and random forces.")] = 0,
) -> None:
    """Profile a calculator: live MD from an equilibrated start, or replay of frames."""
    from instrumented_calc.capture.run.journal_path import wanted_journal
    from instrumented_calc.cli.progress import show_progress
    from instrumented_calc.experiments.calculators import build_calculator
    from instrumented_calc.experiments.dynamics import Protocol
    from instrumented_calc.experiments.profile import profile_dynamics, profile_frames
    from instrumented_calc.experiments.replay import read_frames
    from instrumented_calc.experiments.systems import build_system

    wanted_journal(output)  # before anything is built
    options: dict[str, Any] = {"journal": output, "summary": False, "trace": _trace(trace)}
    if frames is not None:
        trajectory = read_frames(frames, steps)
        calculator = build_calculator(calc)
        with show_progress() as on_step:
            found = profile_frames(calculator, trajectory, on_step=on_step, **options)
    else:
        built = build_system(system, n_atoms, temperature_k=temperature, seed=seed)
        steps = steps or DEFAULT_STEPS
        protocol = Protocol(
            ensemble=ensemble,
            steps=steps,
            timestep_fs=built.timestep_fs if timestep is None else timestep,
            temperature_k=temperature,
            equilibration=min(MOST_EQUILIBRATION, steps) if equilibrate is None else equilibrate,
            seed=seed,
        )
        calculator = build_calculator(calc)
        if built.note:
            typer.echo(f"note: {built.note}", err=True)
        with show_progress() as on_step:
            found = profile_dynamics(calculator, built.atoms, protocol, on_step=on_step, **options)
    _print_result(found)


def _trace(text: str) -> Any:
    from instrumented_calc.api import Trace

    if not text.isdecimal():
        return text

    return Trace(every_calls=int(text))


def _print_result(found: Profile) -> None:
    """Show the summary and the next command on stderr, and the journal's path on stdout."""
    from instrumented_calc.reporting.run.final_summary import closing_summary
    from instrumented_calc.reporting.run.summary_colours import coloured

    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if found.conservation:
        typer.echo(f"energy    {found.conservation}", err=True)
    typer.echo(coloured(closing_summary(found.path), sys.stderr), err=True)
    typer.echo(found.path)
