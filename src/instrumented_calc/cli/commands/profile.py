"""`instrumented-calc profile`: a calculator in live dynamics or on saved frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instrumented_calc.cli.options import WRITES_JOURNAL, CalculatorOption, JournalOption, check_journal
from instrumented_calc.errors import TargetError

if TYPE_CHECKING:
    from instrumented_calc.experiments.profile import Profile

DEFAULT_STEPS = 100
LONGEST_NUMBER = 18  # digits

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
    from instrumented_calc.cli.progress import show_progress
    from instrumented_calc.experiments.calculators import build_calculator
    from instrumented_calc.experiments.dynamics import MOST_EQUILIBRATION, Protocol
    from instrumented_calc.experiments.profile import profile_dynamics, profile_frames
    from instrumented_calc.experiments.replay import read_frames
    from instrumented_calc.experiments.systems import build_system

    check_journal(output)
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

    if text in {"auto", "off"}:
        return text
    if not text.isascii() or not text.isdecimal() or not 0 < len(text.lstrip("0")) <= LONGEST_NUMBER:
        message = f"--trace must be auto, off or a number of calls of at least 1, not {text!r}"
        raise TargetError(message)
    return Trace(every_calls=int(text))


def _print_result(found: Profile) -> None:
    """Show the summary and the next command on stderr, and the journal's path on stdout."""
    from instrumented_calc.analysis.rules.catalogue import judge
    from instrumented_calc.analysis.summary import summarize
    from instrumented_calc.journal.reader import read_journal
    from instrumented_calc.reporting.run.final_summary import closing_text
    from instrumented_calc.reporting.run.speed_cells import amount_words, rate_words
    from instrumented_calc.reporting.run.summary_colours import coloured

    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    summary = summarize(read_journal(found.path))
    if found.conservation:
        typer.echo(f"energy    {found.conservation}", err=True)
    if len(summary.phases) > 1 and (speed := summary.phases[-1].speed) is not None:
        words = ", ".join([*rate_words(speed), amount_words(speed)])
        typer.echo(f"dynamics  {words}, without the equilibration", err=True)
    typer.echo(coloured(closing_text(summary, judge(summary)), sys.stderr), err=True)
    typer.echo(found.path)
