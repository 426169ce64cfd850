"""`instrumented-calc compare`: is it faster, and is it still the same?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from instrumented_calc.analysis.comparison.decision import Unsure
from instrumented_calc.cli.comparison_options import (
    AllowOption,
    EnergyToleranceOption,
    ForceToleranceOption,
    MaxSlowdownOption,
    RequireSpeedupOption,
    UnsureOption,
    allowed_keys,
    limits_of,
)
from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.given_files import given_files, in_both
from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption, wanted_page
from instrumented_calc.errors import JournalReadError, TargetError
from instrumented_calc.plain_text import plain, shown_path
from instrumented_calc.quantities import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit

EXAMPLE = "compare --before a-*.jsonl --after b-*.jsonl, or compare before.jsonl after.jsonl --single"
LARGEST_RESULT = 200_000_000  # bytes; a result of a million latencies has 20 MB
MANY = ("--before", "--after")


class TakesMany(TyperCommand):
    """A command whose `--before` and `--after` take all words up to the next option: `a-*.jsonl`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its words."""
        repeated: list[str] = []
        option = ""
        for word in args:
            if word.startswith("-"):
                option = word if word in MANY else ""
                repeated += [] if option else [word]
            else:
                repeated += [option, word] if option else [word]
        return super().parse_args(ctx, repeated)


COMMAND_OPTIONS = {"cls": TakesMany}


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BEFORE AFTER", help="Two journals, result files, patterns or comma-separated lists."
        ),
    ] = None,
    before: Annotated[
        list[str] | None,
        typer.Option(metavar="RUNS", help="Runs before the change; a pattern, or repeat the option."),
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="RUNS", help="Runs after the change; a pattern, or repeat the option."),
    ] = None,
    allow: AllowOption = None,
    max_slowdown: MaxSlowdownOption = None,
    require_speedup: RequireSpeedupOption = None,
    energy_tolerance: EnergyToleranceOption = None,
    force_tolerance: ForceToleranceOption = None,
    single: Annotated[
        bool, typer.Option("--single", help="Accept a verdict on two single runs, about these runs only.")
    ] = False,
    noise: Annotated[
        bool, typer.Option("--noise", help="Show the smallest change that these runs of one side can show.")
    ] = False,
    unsure: UnsureOption = Unsure.tell,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Compare runs before and after a change: faster, slower, not distinguishable, or not sure.

    Exit codes: 0 within the limits, 1 a limit is surely exceeded, 3 not sure, 4 not comparable.
    """
    from instrumented_calc.analysis.comparison.changes import (
        contraction_changes,
        finding_changes,
        memory_changes,
    )
    from instrumented_calc.analysis.comparison.comparison import compare as compare_runs
    from instrumented_calc.analysis.comparison.decision import exit_code, outcome_of
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.reporting import comparison as reporting

    limits = limits_of(max_slowdown, require_speedup)
    if noise:
        _show_noise([*(runs or ()), *(before or ()), *(after or ())], limits, form, html, mask=mask)
        return
    files = _sides(runs, before, after)
    both = [path for side in files for path in side]
    page = wanted_page(html, mask=mask, journals=both)
    sides = [[read_run(path) for path in side] for side in files]
    allowed = allowed_keys(allow, [run for side in sides for run in side])
    for path in in_both(*files):
        typer.echo(f"note: {shown_path(path)} is on both sides: it does not differ from itself", err=True)
    found = compare_runs(
        sides[0],
        sides[1],
        allowed=allowed,
        tolerance_ev=energy_tolerance,
        force_tolerance_ev_a=force_tolerance,
        single=single,
    )
    parts = (
        found,
        contraction_changes(*sides),
        memory_changes(*sides),
        finding_changes(*sides),
        limits,
    )
    if page is not None:
        from instrumented_calc.reporting.html.result_pages import comparison_page

        page.write(comparison_page(*parts), both)
    elif form is Form.json:
        typer.echo(reporting.render_comparison_json(*parts), nl=False)
    else:
        typer.echo(DOCUMENTS[form](reporting.build_comparison(*parts)), nl=False)
    raise typer.Exit(exit_code(outcome_of(found, limits), unsure))


def _show_noise(
    texts: Sequence[str], limits: Sequence[SpeedLimit], form: Form, html: Path | None, *, mask: bool
) -> None:
    from instrumented_calc.analysis.comparison.comparison import differences_of_replicates
    from instrumented_calc.analysis.comparison.decision import ComparisonOutcome
    from instrumented_calc.analysis.comparison.noise import noise_of
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.reporting import noise as reporting

    files = given_files(texts)
    page = wanted_page(html, mask=mask, journals=files)
    runs = [read_run(path) for path in files]
    floor = noise_of(runs)
    if floor is None:
        message = "--noise needs two or more runs of the same code: compare --noise a-*.jsonl"
        raise TargetError(message)
    obstacles = differences_of_replicates(runs)
    if obstacles:
        typer.echo("\n".join(["not comparable: these runs are not replicates", *map(plain, obstacles)]))
        raise typer.Exit(ComparisonOutcome.not_comparable.value)
    if page is not None:
        from instrumented_calc.reporting.html.result_pages import noise_page

        page.write(noise_page(floor, limits), files)
    elif form is Form.json:
        typer.echo(reporting.render_noise_json(floor, limits), nl=False)
    else:
        typer.echo(DOCUMENTS[form](reporting.build_noise(floor, limits)), nl=False)
    if not all(reporting.is_testable(floor, each) for each in limits):
        raise typer.Exit(ComparisonOutcome.not_sure.value)


def _sides(
    runs: Sequence[str] | None, before: Sequence[str] | None, after: Sequence[str] | None
) -> tuple[list[Path], list[Path]]:
    """Return the files of both sides."""
    if runs and (before or after):
        message = f"give two runs, or --before and --after: {EXAMPLE}"
        raise TargetError(message)
    if runs:
        if len(runs) != 2:  # noqa: PLR2004 - before and after
            message = f"{plural(len(runs), 'run')} given; state which are before and which after: {EXAMPLE}"
            raise TargetError(message)
        before, after = [runs[0]], [runs[1]]
    if not before or not after:
        message = f"both sides are needed: {EXAMPLE}"
        raise TargetError(message)
    return given_files(before), given_files(after)


def read_run(path: Path) -> MeasuredRun:
    """Read a journal or a result file."""
    from instrumented_calc.analysis.comparison.measured_run import run_of_journal, run_of_result

    result = _result(path)
    if result is not None:
        run = run_of_result(str(path), result)
        if run is None:
            message = (
                f"{path}: JSON without latencies_ms, device and n_atoms; give a journal or a result file"
            )
            raise JournalReadError(message)
        return run
    return run_of_journal(path)


def _result(path: Path) -> dict[str, object] | None:
    """Return the single JSON object in the file, or None: a journal has one per line."""
    # Reading a FIFO would hang.
    if path.suffix != ".json" or not path.is_file() or path.stat().st_size > LARGEST_RESULT:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "event" not in found else None
