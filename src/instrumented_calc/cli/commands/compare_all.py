"""`instrumented-calc compare-all`: every installed model on the same system, in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption, wanted_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.cli.wanted_page import WantedPage
    from instrumented_calc.experiments.compare_all import Compared


def compare_all(
    calc: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to compare; repeat the option for each. Default: emt and all installed models."
        ),
    ] = None,
    system: Annotated[str, typer.Option(help="System, as for profile.")] = "copper",
    n_atoms: Annotated[
        int, typer.Option(min=1, help="Number of atoms; rounded to the nearest possible size.")
    ] = 64,
    steps: Annotated[int, typer.Option(min=1, help="MD steps.")] = 20,
    ensemble: Annotated[str, typer.Option(help="nve, langevin or npt.")] = "nve",
    temperature: Annotated[float, typer.Option(help="Temperature in K.")] = 300.0,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for the journals; finished runs in it are reused."),
    ] = Path("compare-all"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of structure, velocities and random forces.")] = 0,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Profile every installed model on the same system; exit code 1 if all fail."""
    from instrumented_calc.cli.progress import show_progress
    from instrumented_calc.experiments.compare_all import cell_of, known_specs, measure_model
    from instrumented_calc.experiments.dynamics import MOST_EQUILIBRATION, Protocol
    from instrumented_calc.experiments.sweep.results import ResultFolder
    from instrumented_calc.experiments.systems import build_system

    built = build_system(system, n_atoms)  # report an unknown name before anything is loaded
    protocol = Protocol(ensemble, steps, built.timestep_fs, temperature, min(steps, MOST_EQUILIBRATION), seed)
    page = wanted_page(html, mask=mask, folder=output)
    results = ResultFolder(output)
    results.create()
    if built.note:
        typer.echo(f"note: {built.note}", err=True)
    # Nobody asked for a model of `known_specs` that is not installed: it is skipped.
    cells = [cell_of(spec, built, protocol) for spec in calc or known_specs()]
    reused = sum(results.find_done(each.key) is not None for each in cells)
    if reused:
        typer.echo(f"{reused} finished cells reused", err=True)
    found = []
    with show_progress() as on_step:
        for done, cell in enumerate(cells, start=1):
            on_step("models", done - 1, len(cells))
            found.append(measure_model(cell, results))
            on_step("models", done, len(cells))
    title = f"{built.name}, {len(built.atoms)} atoms, {ensemble.upper()}, {steps} steps"
    _show(found, title, "failed" if calc else "skipped", page, as_json=as_json)
    if all(each.failure for each in found):
        raise typer.Exit(1)


def _show(
    found: Sequence[Compared], title: str, word: str, page: WantedPage | None, *, as_json: bool
) -> None:
    """Print the table, or write a page; `word` is what a failure is called."""
    from instrumented_calc.reporting import compare_all as reporting
    from instrumented_calc.reporting.html.result_page import ResultPage

    rows = [_row(each) for each in found]
    if page is None:
        text = json.dumps(rows, indent=2) if as_json else f"{title}\n{reporting.render_models(rows, word)}"
        typer.echo(text)
        return
    summaries = [each.summary for each in found if each.summary is not None]
    obstacles = reporting.obstacles_of(summaries)
    document = reporting.build_models(title, rows, word, obstacles)
    figures = () if obstacles else tuple(reporting.figures_of_models(rows))
    result = ResultPage(document, figures, json.dumps({"models": rows}))
    page.write(result, [each.journal.path for each in summaries])


def _row(compared: Compared) -> dict[str, Any]:
    if compared.summary is None:
        return {"calc": compared.spec, "failure": compared.failure}
    summary, phase = compared.summary, compared.last_phase
    latency = phase.latency if phase is not None else summary.latency
    speed = phase.speed if phase is not None else summary.speed
    calls = summary.journal.calls
    n_atoms = int(calls.n_atoms[-1])
    return {
        "calc": compared.spec,
        "n_atoms": n_atoms,
        "median_ms": latency and latency.median_ns / 1e6,
        "p95_ms": latency and latency.p95_ns / 1e6,
        "us_per_atom": latency and latency.median_ns / 1e3 / n_atoms,
        "steps_per_s": speed and speed.steps_per_s,
        "ns_per_day": speed and speed.ns_per_day,
        "first_call_ms": int(calls.wall_ns[0]) / 1e6,
        "peak_mb": summary.memory and summary.memory.peak_bytes / 1e6,
        "broken": "; ".join(each.text for each in summary.soundness.ruined),
        "journal": str(summary.journal.path),
    }
