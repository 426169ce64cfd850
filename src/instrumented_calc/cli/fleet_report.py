"""Read many journals side by side and show them as one fleet: `report` of more than a page of journals."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from typing import TYPE_CHECKING

import typer

from instrumented_calc.analysis.fleet.fleet import NotARun, fleet_of
from instrumented_calc.analysis.fleet.fleet_run import run_of_excerpt
from instrumented_calc.cli.progress import show_progress
from instrumented_calc.cli.written_files import check_file, write_file
from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.excerpt import read_excerpt
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from instrumented_calc.analysis.fleet.fleet import Fleet
    from instrumented_calc.analysis.fleet.fleet_run import FleetRun
    from instrumented_calc.cli.formats import ReportForm

# Fewer are read faster than other processes start.
FEWEST_FOR_POOL = 400
BATCH = 100
MOST_PROCESSES = 16
FORMS = ("text", "markdown", "json", "csv", "parquet")


def report_fleet(
    journals: Sequence[Path],
    *,
    form: ReportForm,
    output: Path | None,
    html: Path | None,
    everything: bool,
) -> int:
    """Report on many journals as one fleet.

    Args:
        journals: The journals.
        form: Output format.
        output: File to write; None: stdout.
        html: File to write a page to, instead of printing; None: no page.
        everything: Whether to list all runs.

    Returns:
        The number of runs that are broken, as far as was read.

    Raises:
        BadParameter: A fleet has no such format.
        JournalReadError: No file has a run, or an output cannot be written.
    """
    if form.value not in FORMS:
        message = f"{form.value} holds single calls; of a fleet there are {', '.join(FORMS)}; or give --each"
        raise typer.BadParameter(message, param_hint="--format")
    if form.value == "parquet" and output is None:
        message = "parquet is a binary format; add --output FILE, such as runs.parquet"
        raise typer.BadParameter(message, param_hint="--format")
    check_file(output, "--output", journals)
    check_file(html, "--html", journals)
    with show_progress() as progress:
        read = []
        for each in read_many(journals):
            read.append(each)
            progress("reading journals", len(read), len(journals))
    fleet = fleet_of(read)
    if not fleet.runs:
        first = fleet.not_runs[0]
        message = f"none of {len(read)} files is a journal, {shown_path(first.path)}: {first.why}"
        raise JournalReadError(message)
    if html is not None:
        from instrumented_calc.reporting.fleet.page import fleet_page

        write_file(html, fleet_page(fleet), "--html")
    if output is not None:
        write_file(output, _rendered(fleet, form, everything=everything), "--output")
    elif html is None:
        typer.echo(_rendered(fleet, form, everything=everything), nl=False)
    return len(fleet.broken)


def _rendered(fleet: Fleet, form: ReportForm, *, everything: bool) -> str | bytes:
    from instrumented_calc.cli.formats import Form
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.reporting.fleet.files import fleet_csv, fleet_json, fleet_parquet
    from instrumented_calc.reporting.fleet.report import build_fleet

    if form.value == "json":
        return fleet_json(fleet)
    if form.value == "csv":
        return fleet_csv(fleet)
    if form.value == "parquet":
        return fleet_parquet(fleet)
    return DOCUMENTS[Form(form.value)](build_fleet(fleet, everything=everything))


def read_many(paths: Sequence[Path]) -> Iterator[FleetRun | NotARun]:
    """Read the ends of journals, many of them in several processes.

    Args:
        paths: The files.

    Yields:
        What each file is, in order.
    """
    processes = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        MOST_PROCESSES,
    )
    if len(paths) < FEWEST_FOR_POOL or processes == 1:
        yield from map(read_one, paths)
        return
    batches = [paths[begin : begin + BATCH] for begin in range(0, len(paths), BATCH)]
    # Not forked: this process may have threads, of a progress bar for one.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from chain.from_iterable(pool.map(_read_batch, batches))


def _read_batch(paths: Iterable[Path]) -> list[FleetRun | NotARun]:
    return [read_one(path) for path in paths]


def read_one(path: Path) -> FleetRun | NotARun:
    """Return the run of a journal, or why a file has none.

    Args:
        path: The file.
    """
    try:
        return run_of_excerpt(read_excerpt(path))
    except JournalReadError as error:
        return NotARun(str(path), _without_path(str(error), path))


def _without_path(message: str, path: Path) -> str:
    """Return the reason in an error's message, without the path and the advice for a single journal."""
    reason = message.removeprefix("cannot read ").removeprefix(shown_path(path)).removeprefix(":1")
    return reason.removeprefix(": ").partition("; give ")[0]
