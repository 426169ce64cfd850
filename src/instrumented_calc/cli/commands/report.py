"""`instrumented-calc report`: numbers from journals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.cli.formats import ReportForm
from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption


def report(
    journals: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN.JSONL", help="Journals. Default: the newest in this folder."),
    ] = None,
    form: Annotated[ReportForm, typer.Option("--format", help="Output format.")] = ReportForm.text,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET", help="Exit 1 unless this target is met, e.g. 'p95/mean<2'."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Skip this rule; separate several by commas."),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Exit 1 if this rule flags; several with commas. `broken`: any that makes results void.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all sections and what each rule saw.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Time contractions as matrix products on this machine."),
    ] = False,
    alone: Annotated[
        bool,
        typer.Option("--alone", help="Leave out the journals of workers, ranks and requeued parts."),
    ] = False,
    fleet: Annotated[
        bool | None,
        typer.Option(
            "--fleet/--each",
            help="One table of all runs, or a report on each. Default: a table of more than 12 journals.",
        ),
    ] = None,
    scheduler_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --fleet: Dask's scheduler whose workers read, such as tcp://host:8786.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Report on journals on one screen: what is wrong, what to change, where the time went."""
    from instrumented_calc.cli.journal_report import report_journals

    report_journals(
        journals or (),
        form=form,
        require=require or (),
        ignore=ignore or (),
        fail_on=fail_on or (),
        alone=alone,
        fleet=fleet,
        scheduler_address=scheduler_address,
        output=output,
        everything=everything,
        measure=measure,
        html=html,
        mask=mask,
    )
