"""`instrumented-calc gate`: run two commands in turn until it is sure whether one is slower."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.analysis.comparison.decision import ComparisonOutcome, Unsure, exit_code
from instrumented_calc.cli.comparison_options import (
    AllowOption,
    EnergyToleranceOption,
    ForceToleranceOption,
    MaxSlowdownOption,
    RequireSpeedupOption,
    UnsureOption,
    allowed_keys,
    limits_of,
    words_of,
)
from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.options import seconds_of
from instrumented_calc.errors import TargetError
from instrumented_calc.quantities import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.gate_result import GateResult
    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.reporting.document import Document

MOST_PAIRS = 200


def gate(
    before: Annotated[str, typer.Option(metavar="CMD", help="Command before the change, as in a shell.")],
    after: Annotated[str, typer.Option(metavar="CMD", help="Command after the change.")],
    max_slowdown: MaxSlowdownOption = None,
    require_speedup: RequireSpeedupOption = None,
    max_pairs: Annotated[
        int,
        typer.Option(min=3, max=MOST_PAIRS, help="Most pairs of runs; as many again confirm a failure."),
    ] = 20,
    budget: Annotated[
        str, typer.Option(metavar="10m", help="Time after which no pair of runs is started: 90s, 10m, 2h.")
    ] = "10m",
    allow: AllowOption = None,
    energy_tolerance: EnergyToleranceOption = None,
    force_tolerance: ForceToleranceOption = None,
    unsure: UnsureOption = Unsure.tell,
    history: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of earlier results: shows when the speed has changed."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the report as Markdown, also to $GITHUB_STEP_SUMMARY."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the journals; a number is added if it exists.")
    ] = Path("gate"),
    seed: Annotated[int, typer.Option(help="Seed of the order within pairs.")] = 0,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
) -> None:
    """Run two commands in turn, in fresh processes, until it is sure whether the change made it slower.

    A command is anything that records a journal: a script that wraps its calculator, or `instrumented-calc
    run script.py`. A failure is confirmed by as many new runs before it is reported. Exit codes: 0 within the
    limit, 1 surely slower, 3 not sure, 4 not comparable.
    """
    from instrumented_calc.experiments.gate.gate import GateSettings, new_folder, run_gate
    from instrumented_calc.reporting.gate import annotation, build_gate, render_gate_json

    limits = limits_of(max_slowdown, require_speedup) or limits_of("5%", None)
    if len(limits) > 1:
        message = "give --max-slowdown or --require-speedup, not both"
        raise TargetError(message)
    settings = GateSettings(
        before=before,
        after=after,
        limit=limits[0],
        max_pairs=max_pairs,
        budget_s=seconds_of(budget),
        allowed=tuple(words_of(allow)),
        tolerance_ev=energy_tolerance,
        force_tolerance_ev_a=force_tolerance,
        seed=seed,
        output=new_folder(output),
    )
    result = run_gate(settings, _Progress(allow))
    lines = _remembered(history, result)
    document = build_gate(result, lines)
    if form is Form.json:
        typer.echo(render_gate_json(result, lines), nl=False)
    else:
        from instrumented_calc.cli.renderers import DOCUMENTS

        typer.echo(DOCUMENTS[form](document), nl=False)
    typer.echo(f"the journals are in {settings.output}", err=True)
    _write_markdown(document, markdown)
    code = exit_code(result.outcome, unsure)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        typer.echo(annotation(result, failed=code != 0))
    raise typer.Exit(code)


class _Progress:
    """Prints each run, and checks the words of `--allow` as soon as there are runs that could have them."""

    def __init__(self, allow: Sequence[str] | None) -> None:
        self._allow = allow
        self._runs: list[MeasuredRun] = []

    def __call__(self, pair: int, side: str, run: MeasuredRun) -> None:
        self._runs.append(run)
        if len(self._runs) == 2:  # noqa: PLR2004 - one of each side
            allowed_keys(self._allow, self._runs)
        typer.echo(f"[pair {pair}] {side:<6} {duration(run.quantiles_ns[0])} per call", err=True)


def _remembered(folder: Path | None, result: GateResult) -> list[str]:
    """Add a usable result to the history; return what the history says."""
    if folder is None or result.outcome is ComparisonOutcome.not_comparable:
        return []
    from instrumented_calc.analysis.comparison.change_point import change_point
    from instrumented_calc.experiments.gate.history import remember
    from instrumented_calc.reporting.gate import history_lines

    results = remember(folder, result.comparison.after)
    return history_lines(results, change_point([each["median_ns"] for each in results]))


def _write_markdown(document: Document, path: Path | None) -> None:
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if path is None and not summary:
        return
    from instrumented_calc.journal.new_file import replace
    from instrumented_calc.reporting.forms.markdown import render_markdown

    text = render_markdown(document)
    if path is not None:
        replace(path, text.encode())
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:  # the runner's file, shared by all steps
            file.write(text)
