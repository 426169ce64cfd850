"""`instrumented-calc sweep`: models x systems x sizes x replicates, as cells that run independently."""

from __future__ import annotations

import shlex
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.sweep_emit import emit
from instrumented_calc.cli.sweep_engine import Cluster, Engine, refuse_ignored
from instrumented_calc.plain_text import plain, printable, shown_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from instrumented_calc.experiments.sweep.manifest import SweepManifest
    from instrumented_calc.experiments.sweep.results import ResultFolder

GROUP = typer.Typer(
    name="sweep",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# As of `compare` with such a run; not 1, with which a script submits the rest and gathers again.
VOID = 4

ManifestArgument = Annotated[
    Path, typer.Argument(metavar="SWEEP.JSON", help="Manifest that `sweep plan` wrote.")
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder of the results; default: that of the manifest's name.",
    ),
]
TimeLimitOption = Annotated[
    float | None, typer.Option(min=0, metavar="S", help="Time limit for one cell, s.")
]


@GROUP.callback()
def sweep() -> None:
    """Run models x systems x sizes x replicates, here or on a cluster."""


@GROUP.command(short_help="Write the manifest: every cell with its key.")
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


@GROUP.command(short_help="Run all cells that are not done.")
def run(
    manifest: ManifestArgument,
    engine: Annotated[
        Engine, typer.Option(help="inline: one cell at a time; processes: several here; dask: workers.")
    ] = Engine.inline,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Cells at the same time, not with inline; default: as many as fit here."),
    ] = None,
    time_limit: TimeLimitOption = None,
    output: ResultsOption = None,
    cluster: Annotated[
        Cluster | None, typer.Option(help="With --engine dask: where its workers run; default: local.")
    ] = None,
    scheduler_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="With --engine dask: a running scheduler, such as tcp://host:8786."
        ),
    ] = None,
    per_gpu: Annotated[
        bool, typer.Option("--per-gpu", help="With --engine dask: one cell at a time on each GPU.")
    ] = False,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --cluster: memory of a job, such as 4GB.")
    ] = None,
    walltime: Annotated[
        str | None, typer.Option(metavar="HH:MM:SS", help="With --cluster slurm: time limit of a job.")
    ] = None,
) -> None:
    """Run all cells that are not done; exit code 1 if some cannot be."""
    from instrumented_calc.cli.progress import show_progress
    from instrumented_calc.experiments.sweep.dask_engine import DaskSettings, dask_engine
    from instrumented_calc.experiments.sweep.local_engine import local_engine, places_for
    from instrumented_calc.experiments.sweep.run_sweep import run_sweep

    given = {"--cluster": cluster, "--scheduler-address": scheduler_address, "--per-gpu": per_gpu}
    refuse_ignored(engine, {**given, "--memory": memory, "--walltime": walltime, "--workers": workers})
    found, results = _opened(manifest, output)
    threads = max(cell.threads for cell in found.cells.values())
    executor: AbstractContextManager[Executor]
    if engine is Engine.dask:
        executor = dask_engine(
            DaskSettings(
                workers=workers,
                cluster=(cluster or Cluster.local).value,
                scheduler_address=scheduler_address,
                threads=threads,
                per_gpu=per_gpu,
                memory=memory,
                walltime=walltime,
            )
        )
    else:
        executor = local_engine(1 if engine is Engine.inline else workers or places_for(threads))
    with executor as places, show_progress() as on_cell:
        ended = run_sweep(found, results.folder, places, time_limit_s=time_limit, on_cell=on_cell)
    if ended.reused:
        typer.echo(f"{ended.reused} cells were done before", err=True)
    for failure in ended.failures:
        typer.echo(plain(f"failed: {failure.key}: {failure.words}"), err=True)
    done = len(found.cells) - len(ended.failures)
    typer.echo(f"{done} of {len(found.cells)} cells done in {shown_path(results.folder)}")
    if ended.failures:
        raise typer.Exit(1)


@GROUP.command()
def run_cell(
    manifest: ManifestArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of the cell.")],
    time_limit: TimeLimitOption = None,
    output: ResultsOption = None,
) -> None:
    """Run one cell unless it is done.

    Exit codes: 0 done, 1 failed, 5 cannot be run here, 75 ended from outside and worth another try.
    """
    from instrumented_calc.cli.border import print_error
    from instrumented_calc.experiments.sweep import run_cell as running

    found, results = _opened(manifest, output)
    with _ended_by_sigterm(running.CELL_KILLED):
        end = running.run_cell(found.find(key), results, time_limit)
    if end.code:
        print_error(f"{end.key}: {end.words}")
        raise typer.Exit(end.code)
    typer.echo(shown_path(results.journal(key)))


@GROUP.command(short_help="Show which cells are done.")
def status(
    manifest: ManifestArgument,
    output: ResultsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which cells are done; reads the results, and needs nothing else."""
    from instrumented_calc.experiments.sweep.status import status_of
    from instrumented_calc.plain_text import plain_json

    found, results = _opened(manifest, output)
    state = status_of(found, results)
    unreadable = state.unreadable
    done = [key for key in state.done if key not in unreadable]
    if as_json:
        missing = {each.key: each.words for each in state.missing}
        typer.echo(plain_json({"done": done, "unreadable": unreadable, "missing": missing}))
        return
    begun = [each for each in state.missing if each.attempts]
    damage = f" {len(unreadable)} done but unreadable," if unreadable else ""
    typer.echo(
        f"{len(done)} of {len(found.cells)} cells done,{damage} {len(begun)} running, failed or killed,"
        f" {len(state.missing) - len(begun)} not started"
    )
    for key, why in unreadable.items():
        typer.echo(plain(f"unreadable journal of {key}: {why}"))
    for each in begun:
        typer.echo(plain(f"{each.key}: {each.words}"))


@GROUP.command(short_help="Bring all results together, each cell once.")
def gather(
    manifest: ManifestArgument,
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Further folders with results.")
    ] = None,
    output: ResultsOption = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
) -> None:
    """Bring all results together, each cell once, and name cells that are missing or broken.

    Exit codes: 0 all cells are done and no fault is seen, 1 cells are missing, 4 all are done, but some
    simulations are broken.
    """
    from instrumented_calc.analysis.sweep_groups import group_cells
    from instrumented_calc.analysis.sweep_soundness import soundness_of
    from instrumented_calc.cli.progress import show_progress
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.experiments.sweep.gathering import gather_sweep
    from instrumented_calc.reporting.sweep import build_sweep, render_sweep_json

    found, results = _opened(manifest, output)
    with show_progress() as on_cell:
        gathered = gather_sweep(found, results, folders or [], on_cell)
    groups, soundness = group_cells(gathered.figures), soundness_of(gathered.figures)
    missing = {each.key: each.words for each in gathered.missing}
    notes = gathered.notes()
    if form is Form.json:
        text = render_sweep_json(found.name, gathered.figures, groups, soundness, missing, notes)
    else:
        text = DOCUMENTS[form](build_sweep(found.name, len(found.cells), groups, soundness, missing, notes))
    typer.echo(text, nl=False)
    if missing:
        rest = ["instrumented-calc", "sweep", "emit", "slurm", str(manifest)]
        if output is not None:
            rest += ["--results", str(output)]
        words = printable(shlex.join([*rest, "--output", "NEW-FOLDER"]))
        typer.echo(f"submit files of the rest, also for htcondor: {words}", err=True)
    if missing or gathered.unreadable:
        raise typer.Exit(1)
    if soundness.broken:
        raise typer.Exit(VOID)


GROUP.command(short_help="Write submit files for a cluster.")(emit)


@contextmanager
def _ended_by_sigterm(code: int) -> Iterator[None]:
    """End this program with a code at SIGTERM, by an exception: the process of the cell is ended with it."""

    def end(*_: object) -> None:
        raise SystemExit(code)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _opened(manifest: Path, output: Path | None) -> tuple[SweepManifest, ResultFolder]:
    """Return the manifest, and the folder of its results."""
    from instrumented_calc.experiments.sweep.manifest import read_manifest
    from instrumented_calc.experiments.sweep.results import ResultFolder

    return read_manifest(manifest), ResultFolder(output or manifest.with_suffix(""))
