"""Show many journals as one fleet: `report` of more than a page of journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from instrumented_calc.analysis.fleet.fleet import fleet_of
from instrumented_calc.cli.fleet_reading import read_many
from instrumented_calc.cli.progress import show_progress
from instrumented_calc.cli.written_files import check_file, write_file
from instrumented_calc.errors import JournalReadError
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from instrumented_calc.analysis.fleet.fleet import Fleet
    from instrumented_calc.cli.formats import ReportForm

FORMS = ("text", "markdown", "json", "csv", "parquet")


def report_fleet(  # noqa: PLR0913 - keyword-only, one per option
    journals: Sequence[Path],
    *,
    form: ReportForm,
    output: Path | None,
    html: Path | None,
    everything: bool,
    scheduler_address: str | None = None,
) -> int:
    """Report on many journals as one fleet.

    Args:
        journals: The journals.
        form: Output format.
        output: File to write; None: stdout.
        html: File to write a page to, instead of printing; None: no page.
        everything: Whether to list all runs.
        scheduler_address: Scheduler of Dask whose workers read the journals; None: this machine reads them.

    Returns:
        The number of runs that are broken, as far as was read.

    Raises:
        BadParameter: A fleet has no such format.
        ExperimentError: Dask's workers cannot read the journals.
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
        for each in read_many(journals, scheduler_address):
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
