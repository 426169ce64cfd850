"""Read, judge and render journals: the work of the command `report`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import NAMES, judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.targets import check_target, parse_target
from instrumented_calc.cli.folded_text import folded
from instrumented_calc.cli.given_files import given_files
from instrumented_calc.cli.newest_journal import newer_journal, newest_journal
from instrumented_calc.cli.product_timing import with_products_timed
from instrumented_calc.cli.progress import show_progress
from instrumented_calc.cli.renderers import REPORTS
from instrumented_calc.cli.wanted_page import check_mask
from instrumented_calc.cli.written_files import check_file, is_same, write_file
from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.beginning import has_records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.relatives import with_relatives
from instrumented_calc.naming import did_you_mean
from instrumented_calc.plain_text import plain, shown_path
from instrumented_calc.quantities import plural
from instrumented_calc.reporting.run.report import measured_words
from instrumented_calc.reporting.run.summary_colours import coloured

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping, Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.cli.formats import ReportForm

# In place of a rule: any by which the simulation is broken.
BROKEN = "broken"
# More runs than this are one table: as many as a page shows in full.
MOST_PAGES = 12
TEXTS = ("text", "markdown")  # programs that read the other formats get the same, however many runs there are


def report_journals(  # noqa: PLR0913 - keyword-only, one an option
    journals: Sequence[Path],
    *,
    form: ReportForm,
    require: Iterable[str],
    ignore: Iterable[str],
    fail_on: Iterable[str],
    output: Path | None,
    everything: bool,
    alone: bool = False,
    fleet: bool | None = None,
    measure: bool = False,
    html: Path | None = None,
    mask: bool = False,
    scheduler_address: str | None = None,
) -> None:
    """Report on journals.

    Args:
        journals: The journals, or patterns; empty: the newest in this folder.
        form: Output format.
        require: Targets to be met.
        ignore: Rules to skip, one or several separated by commas.
        fail_on: Rules that must not flag, as in `ignore`; `broken`: all by which a simulation is void.
        output: File to write; None: stdout.
        everything: Whether to show all sections and each rule, instead of one screen.
        alone: Whether to leave out the journals that belong with these: of workers, ranks, requeued parts.
        fleet: Whether to show one table of all runs; None: of more than a page of journals, where the format
            and other options leave the choice.
        measure: Whether to time the longest contractions as matrix products on this machine.
        html: File to write a page with plots to, instead of printing; None: no page.
        mask: Whether to hide users, hosts and folders in the page.
        scheduler_address: Scheduler of Dask whose workers read the journals of a fleet.

    Raises:
        BadParameter: Options exclude each other.
        Exit: With 1 if a target is missed or a rule of `fail_on` flags.
    """
    targets = [parse_target(text) for text in require]
    ignored, fatal = _rules(ignore, "--ignore", NAMES), _rules(fail_on, "--fail-on", (*NAMES, BROKEN))
    check_mask(html, mask=mask)
    given = given_files(journals) or [_newest_here()]
    needs_calls = bool(targets or ignored or fatal or measure or mask)
    if fleet and (targets or ignored or fatal - {BROKEN} or measure or mask):
        message = (
            "cannot be combined with --require, --ignore, --measure, --mask or --fail-on of rules other than"
            f" {BROKEN}; give --each"
        )
        raise typer.BadParameter(message, param_hint="--fleet")
    if fleet or (fleet is None and len(given) > MOST_PAGES and form.value in TEXTS and not needs_calls):
        from instrumented_calc.cli.fleet_report import report_fleet

        broken = report_fleet(
            given,
            form=form,
            output=output,
            html=html,
            everything=everything,
            scheduler_address=scheduler_address,
        )
        if fatal and broken:
            typer.echo(f"failed on {BROKEN}: {plural(broken, 'run')}", err=True)
            raise typer.Exit(1)
        return
    if scheduler_address is not None:
        message = "does nothing without one table of all runs; add --fleet, or leave this out"
        raise typer.BadParameter(message, param_hint="--scheduler-address")
    paths = given if alone else with_relatives(given)
    _check_outputs({"--output": output, "--html": html}, form, paths)
    _mention_others(given, paths)
    runs = [
        ReadRun(summary, judge(summary, ignored), [check_target(each, summary) for each in targets])
        for summary in _summarize(paths, measure=measure, strictly=needs_calls or len(paths) == 1)
    ]
    if html is not None:
        from instrumented_calc.reporting.html.page import render_page

        write_file(html, render_page(runs, mask=mask), "--html")
    if html is None or output is not None:
        _show(runs, form, output, everything=everything)
    missed = [(run, outcome) for run in runs for outcome in run.outcomes if outcome.verdict != "passed"]
    wrong = [(run, each) for run in runs for each in run.findings if _is_fatal(each, run, fatal)]
    where = {id(run): f" in {shown_path(run.summary.journal.path)}" if len(runs) > 1 else "" for run in runs}
    for run, outcome in missed:
        words = f"{plain(outcome.target.text)}, {measured_words(outcome)}"
        typer.echo(f"missed: {words}{where[id(run)]}", err=True)
    for run, finding in wrong:
        typer.echo(f"failed on {finding.rule}{where[id(run)]}: {plain(finding.headline)}", err=True)
    if missed or wrong:
        raise typer.Exit(1)


def _is_fatal(finding: RuleFinding, run: ReadRun, fatal: Container[str]) -> bool:
    ruins = any(finding.rule == each.name for each in run.summary.soundness.ruined)
    return finding.verdict == "flagged" and (finding.rule in fatal or (ruins and BROKEN in fatal))


def _mention_others(given: list[Path], paths: list[Path]) -> None:
    """Say which journals are reported on that were not given, and whether there is a newer one."""
    if len(paths) > len(given):
        _mention_relatives(given, len(paths) - len(given))
    if len(given) == 1:
        _mention_newer(given[0], paths)


def _show(runs: Sequence[ReadRun], form: ReportForm, output: Path | None, *, everything: bool) -> None:
    """Print a report, or write it to a file."""
    columns = _columns() if output is None else None
    text = REPORTS[form](runs, everything, columns)
    if output is not None:
        write_file(output, text, "--output")
    elif isinstance(text, str):
        if columns and form == "text":
            text = folded(text, columns) if everything else coloured(text, sys.stdout)
        typer.echo(text, nl=False)


def _rules(given: Iterable[str], option: str, known: Collection[str]) -> set[str]:
    """Parse the rule names of an option; unknown names are an error."""
    names = {name.strip() for text in given for name in text.split(",") if name.strip()}
    for name in sorted(names.difference(known)):
        hint = did_you_mean(name, known) or "the report lists the rule names"
        message = f"unknown rule {name!r}; {hint}"
        raise typer.BadParameter(message, param_hint=option)
    return names


def _summarize(paths: list[Path], *, measure: bool, strictly: bool) -> list[Summary]:
    """Read journals, with progress on a terminal; unless `strictly`, name and leave out other files."""
    read = with_products_timed if measure else read_journal
    summaries, troubles = [], []
    with show_progress() as progress:
        for number, path in enumerate(paths):
            progress("reading journals", number, len(paths))
            try:
                summaries.append(summarize(read(path)))
            except JournalReadError as error:
                troubles.append(error)
                if strictly:
                    break
    if troubles and (strictly or not summaries):
        raise troubles[0]
    for each in troubles:
        typer.echo(f"left out: {plain(str(each))}", err=True)
    return summaries


def _newest_here() -> Path:
    path = newest_journal(Path())
    typer.echo(f"reporting on {shown_path(path)}, the newest journal in this folder", err=True)
    return path


def _mention_relatives(given: Sequence[Path], number: int) -> None:
    what = shown_path(given[0]) if len(given) == 1 else "these"
    more = plural(number, "journal")
    typer.echo(
        f"with {more} of workers, ranks or parts that belong with {what}; --alone leaves them out", err=True
    )


def _mention_newer(path: Path, reported: Sequence[Path]) -> None:
    newer = newer_journal(path) if has_records(path) else None
    if newer is not None and not any(is_same(newer, each) for each in reported):
        typer.echo(f"note: {shown_path(newer)} is newer than {shown_path(path)}", err=True)


def _columns() -> int | None:
    """Return the width of the terminal, or None if stdout is closed or no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def _check_outputs(outputs: Mapping[str, Path | None], form: ReportForm, journals: Sequence[Path]) -> None:
    """Refuse outputs, given by option, before any work."""
    if outputs["--output"] is None and form == "parquet":
        message = "parquet is a binary format; add --output FILE, such as calls.parquet"
        raise typer.BadParameter(message, param_hint="--format")
    for option, file in outputs.items():
        check_file(file, option, journals)
