"""`instrumented-calc scale`: how time and memory grow with the number of atoms."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.options import CalculatorOption
from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption, wanted_page
from instrumented_calc.errors import TargetError
from instrumented_calc.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.scaling import Scaling
    from instrumented_calc.cli.wanted_page import WantedPage
    from instrumented_calc.experiments.scale import ScaleRun, ScaleSettings


def scale(
    sizes: Annotated[str, typer.Option(help="Numbers of atoms, separated by commas.")] = "32,108,256,500",
    calc: CalculatorOption = "emt",
    system: Annotated[str, typer.Option(help="System: copper, silicon, water, ...")] = "copper",
    replicates: Annotated[int, typer.Option(min=1, help="New processes for each size.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="MD steps per process.")] = 100,
    threads: Annotated[int, typer.Option(min=1, help="Threads per library.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of velocities and run order.")] = 0,
    time_limit: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Time limit for one process, s.")
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for the journals; finished runs in it are reused."),
    ] = Path("scale"),
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Run a calculator at several sizes, each in new processes, and report how its cost grows."""
    from instrumented_calc.analysis.scaling import (
        broken_simulations,
        measure_scaling,
        not_as_pinned,
        too_short,
    )
    from instrumented_calc.analysis.summary import summarize
    from instrumented_calc.experiments.scale import ScaleSettings
    from instrumented_calc.experiments.systems import true_sizes
    from instrumented_calc.journal.reader import read_journal

    page = wanted_page(html, mask=mask, folder=output)
    settings = ScaleSettings(calc=calc, system=system, steps=steps, threads=threads, seed=seed)
    found, notes = true_sizes(system, _numbers(sizes), seed)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    run = _run(settings, found, replicates, output, time_limit)
    for failure in run.failures:
        typer.echo(f"failed: {plain(str(failure))}", err=True)
    if not run.journals:
        raise typer.Exit(1)
    summaries = [summarize(read_journal(path)) for path in sorted(run.journals)]
    notes += [
        *broken_simulations(summaries),
        *not_as_pinned(summaries, threads),
        *too_short(summaries),
    ]
    scaling = measure_scaling(summaries)
    _show(scaling, settings, run, notes, form, page)
    if run.failures:
        raise typer.Exit(1)


def _numbers(text: str) -> list[int]:
    try:
        found = [int(each) for each in text.split(",")]
    except ValueError as error:
        message = f"--sizes must be numbers of atoms such as 32,108,256,500, not {text!r}"
        raise TargetError(message) from error
    if min(found) < 1:
        message = f"--sizes must be numbers of at least 1, not {text!r}"
        raise TargetError(message)
    return found


def _run(
    settings: ScaleSettings, sizes: list[int], replicates: int, output: Path, time_limit: float | None
) -> ScaleRun:
    from rich.console import Console
    from rich.progress import Progress

    from instrumented_calc.experiments.scale import run_scale

    people = Console(stderr=True)
    if not people.is_terminal:
        run = run_scale(
            settings,
            sizes,
            replicates=replicates,
            output=output,
            time_limit_s=time_limit,
            on_cell=_print_cell,
        )
    else:
        with Progress(console=people, transient=True) as bar:
            task = bar.add_task("", total=len(sizes) * replicates)
            run = run_scale(
                settings,
                sizes,
                replicates=replicates,
                output=output,
                time_limit_s=time_limit,
                on_cell=lambda name, done, _: bar.update(task, description=name, completed=done),
            )
    if run.reused:
        typer.echo(f"{run.reused} finished cells reused", err=True)
    return run


def _print_cell(name: str, done: int, total: int) -> None:
    if name:
        typer.echo(f"[{done + 1}/{total}] {name}", err=True)


def _show(
    scaling: Scaling,
    settings: ScaleSettings,
    run: ScaleRun,
    notes: Sequence[str],
    form: Form,
    page: WantedPage | None,
) -> None:
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.reporting import scaling as reporting

    numbers = reporting.render_scaling_json(scaling, asdict(settings), run.failures)
    title = reporting.scaling_title(settings.calc, settings.system, scaling)
    document = reporting.build_scaling(title, scaling, asdict(settings), (*run.failures, *notes))
    if page is not None:
        from instrumented_calc.reporting.html.result_pages import scaling_page

        page.write(scaling_page(document, scaling, numbers), run.journals)
    else:
        typer.echo(numbers if form is Form.json else DOCUMENTS[form](document), nl=False)
