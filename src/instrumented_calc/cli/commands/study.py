"""`instrumented-calc study`: a controlled comparison of NumPy and torch, with a verdict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption, wanted_page
from instrumented_calc.errors import ExperimentError

if TYPE_CHECKING:
    from instrumented_calc.analysis.study.judgement import Study
    from instrumented_calc.cli.wanted_page import WantedPage
    from instrumented_calc.experiments.study.plan import Plan
    from instrumented_calc.experiments.study.runner import StudyRun


def study(
    workload: Annotated[
        str,
        typer.Option(help="einsum, anisoap:ellipsoids, anisoap:benzene, anisoap:species, module:factory."),
    ] = "einsum",
    modes: Annotated[
        str, typer.Option(help="Modes to run, separated by commas.")
    ] = "numpy_only,torch_mixed,torch_full",
    reps: Annotated[int, typer.Option(min=1, help="New processes per cell, interleaved.")] = 5,
    dtypes: Annotated[str, typer.Option(help="float64, float32, float16.")] = "float64",
    devices: Annotated[str, typer.Option(help="cpu, cuda, mps; unavailable devices are skipped.")] = "cpu",
    engines: Annotated[str, typer.Option(help="eager, compiled (torch.compile).")] = "eager",
    threads: Annotated[int, typer.Option(min=1, help="Threads per library.")] = 1,
    warmups: Annotated[int, typer.Option(min=0, help="Warm-up evaluations, not timed.")] = 2,
    seconds: Annotated[float, typer.Option(min=0, help="Approximate timed duration per cell, s.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of the run order.")] = 0,
    time_limit: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Time limit for one cell, s.")
    ] = 120.0,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Largest accepted difference, relative to the largest value.")
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw figures.")] = True,
    cprofile: Annotated[
        bool,
        typer.Option("--cprofile", help="Run each mode once more under cProfile for hotspots; not timed."),
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables, journals and figures.")
    ] = Path("study"),
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Compare NumPy, NumPy with torch's einsum, and torch, and report why one is faster."""
    from instrumented_calc.analysis.study.judgement import judge_study
    from instrumented_calc.experiments.study.plan import Plan

    plan = Plan(
        workload=workload,
        modes=_words(modes),
        dtypes=_words(dtypes),
        devices=_words(devices),
        engines=_words(engines),
        reps=reps,
        threads=threads,
        warmups=warmups,
        seconds=seconds,
        seed=seed,
        cprofile=cprofile,
    )
    page = wanted_page(html, mask=mask, folder=output)
    run = _run(plan, output, time_limit, tolerance)
    judged = judge_study(
        run.cells,
        differing=run.differing,
        torch_floor_bytes=run.machine.floor_bytes,
        dispatch_s=run.machine.dispatch_s,
    )
    settings = asdict(plan) | {"machine": asdict(run.machine)}
    _write(judged, run, settings, output, figures=figures)
    _show(judged, settings, run, output, form, page)
    if judged.refused or judged.lost:
        raise typer.Exit(1)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))


def _run(plan: Plan, output: Path, time_limit: float, tolerance: float | None) -> StudyRun:
    from rich.console import Console
    from rich.progress import Progress

    from instrumented_calc.experiments.study.runner import run_study

    people = Console(stderr=True)
    if not people.is_terminal:
        return run_study(plan, output, time_limit_s=time_limit, tolerance=tolerance, on_cell=_print_cell)
    with Progress(console=people, transient=True) as bar:
        task = bar.add_task("", total=None)
        return run_study(
            plan,
            output,
            time_limit_s=time_limit,
            tolerance=tolerance,
            on_cell=lambda name, done, total: bar.update(
                task, description=name, completed=done, total=total or None
            ),
        )


def _print_cell(name: str, done: int, total: int) -> None:
    if name and total:
        typer.echo(f"[{done + 1}/{total}] {name}", err=True)


def _write(judged: Study, run: StudyRun, settings: dict[str, Any], output: Path, *, figures: bool) -> None:
    """Write the tables, the JSON and the figures."""
    from instrumented_calc.analysis.study.cells import usable
    from instrumented_calc.journal.new_file import replace
    from instrumented_calc.reporting.study.report import render_study_json
    from instrumented_calc.reporting.study.tables import summary_csv, timings_csv

    files = {
        "timings_local.csv": timings_csv(usable(run.cells)).encode(),
        "summary_local.csv": summary_csv(judged.rows).encode(),
    }
    if figures and judged.rows:
        files |= _drawn(judged, run)
    files |= _hotspots(run, settings["workload"], output)
    files["study.json"] = render_study_json(judged, settings, run.notes).encode()
    for name, content in files.items():
        replace(output / name, content)


def _hotspots(run: StudyRun, workload: str, output: Path) -> dict[str, bytes]:
    """Return the cProfile tables; stale tables of an earlier run are removed."""
    from instrumented_calc.analysis.study.cells import MODES
    from instrumented_calc.intake.outgoing.safe_csv import as_csv
    from instrumented_calc.reporting.study.hotspots import hotspots_name, hotspots_rows

    for mode in MODES:
        (output / hotspots_name(workload, mode)).unlink(missing_ok=True)
    return {hotspots_name(workload, each.mode): as_csv(hotspots_rows(each)) for each in run.hotspots}


def _drawn(judged: Study, run: StudyRun) -> dict[str, bytes]:
    from instrumented_calc.reporting.forms.figures import render_figure
    from instrumented_calc.reporting.study.figures import figures_of

    try:
        return {name: content for each in figures_of(judged) for name, content in render_figure(each).items()}
    except ExperimentError as error:
        run.notes.append(str(error))
        return {}


def _show(
    judged: Study, settings: dict[str, Any], run: StudyRun, output: Path, form: Form, page: WantedPage | None
) -> None:
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.reporting.study import report as reporting

    numbers = reporting.render_study_json(judged, settings, run.notes)
    files = [str(output / name) for name in sorted(each.name for each in output.iterdir() if each.is_file())]
    files.append(f"{output / 'cells'}: journals, values and results of all processes")
    document = reporting.build_study(judged, settings, run.notes, files, run.hotspots)
    if page is not None:
        from instrumented_calc.reporting.html.result_pages import study_page

        page.write(study_page(document, judged, numbers), sorted((output / "cells").glob("*.jsonl")))
    else:
        typer.echo(numbers if form is Form.json else DOCUMENTS[form](document), nl=False)
