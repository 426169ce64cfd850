"""`instrumented-calc ingest`: tables from bundles of earlier studies, and the conclusions they support."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.given_files import given_files
from instrumented_calc.errors import IntakeError, TargetError

if TYPE_CHECKING:
    from instrumented_calc.intake.ingest import Ingested


def ingest(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="BUNDLE...", help="Archives (.tgz, .tar.gz, .zip), folders or files."),
    ] = None,
    chtc: Annotated[
        list[Path] | None,
        typer.Option(metavar="BUNDLE", help="Bundle with logs from CHTC; may be repeated."),
    ] = None,
    local: Annotated[
        list[Path] | None,
        typer.Option(metavar="BUNDLE", help="Bundle with logs from a local run; may be repeated."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for the results; existing files are never overwritten."),
    ] = Path("results"),
    load_marshalled: Annotated[
        bool,
        typer.Option("--load-marshalled", help="Also load .prof files. Only for bundles you trust."),
    ] = False,
    figures: Annotated[bool, typer.Option(help="Draw figures.")] = True,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
) -> None:
    """Read bundles of results, validate them and list the conclusions they can and cannot support."""
    from instrumented_calc.cli.ingest_figures import draw
    from instrumented_calc.intake.ingest import Bundle
    from instrumented_calc.intake.ingest import ingest as take_in

    given = [Bundle(path) for path in given_files(bundles or ())]
    given += [Bundle(path, "chtc") for path in given_files(chtc or ())]
    given += [Bundle(path, "local") for path in given_files(local or ())]
    if not given:
        message = "no bundle given; use: ingest bundle.tgz, or --chtc bundle.tgz --local bundle.zip"
        raise TargetError(message)
    found = take_in(given, output, marshalled=load_marshalled)
    if figures:
        draw(found)
    typer.echo(_write_reports(found, form), nl=False)
    if not found.placed:
        raise typer.Exit(1)


def _write_reports(found: Ingested, form: Form) -> str:
    """Write the report next to the tables, as Markdown and JSON; return it in the requested format."""
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.intake.archives.output_folder import write_ours
    from instrumented_calc.intake.ingest import OURS
    from instrumented_calc.reporting.intake.report import build_intake, render_intake_json

    names = [f"{OURS}/report.md", f"{OURS}/report.json"]
    found.tables += names
    document, machine = build_intake(found), render_intake_json(found)
    try:
        for name, text in zip(names, (DOCUMENTS[Form.markdown](document), machine), strict=True):
            write_ours(found.output, name, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        message = f"{found.output}: {error.strerror or error}; give another --output"
        raise IntakeError(message) from error
    return machine if form is Form.json else DOCUMENTS[form](document)
