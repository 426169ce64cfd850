"""`instrumented-calc compare`: is it faster, and is it still the same?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.given_files import given_files
from instrumented_calc.errors import JournalReadError, TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun

EXAMPLE = "compare before.jsonl after.jsonl, or compare --before a-*.jsonl --after b-*.jsonl"
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
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="Key under test that may differ: threads, dtype, torch, values, ..."
        ),
    ] = None,
    max_slowdown: Annotated[
        str | None,
        typer.Option(metavar="5%", help="Exit 1 if the whole 95 % interval of the slowdown is above this."),
    ] = None,
    require_speedup: Annotated[
        str | None,
        typer.Option(metavar="5x", help="Exit 1 if the whole 95 % interval of the speedup is below this."),
    ] = None,
    energy_tolerance: Annotated[
        float | None,
        typer.Option(min=0, metavar="EV", help="Largest accepted energy difference, eV per atom."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
) -> None:
    """Compare runs before and after a change: faster, slower, or not distinguishable."""
    from instrumented_calc.analysis.comparison import speed_limits
    from instrumented_calc.analysis.comparison.changes import (
        contraction_changes,
        finding_changes,
        memory_changes,
    )
    from instrumented_calc.analysis.comparison.comparison import compare as compare_runs
    from instrumented_calc.analysis.comparison.hardware import is_known_key
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.reporting import comparison as reporting

    limits = [speed_limits.max_slowdown(max_slowdown)] if max_slowdown else []
    limits += [speed_limits.least_speedup(require_speedup)] if require_speedup else []
    sides = [[_read(path) for path in side] for side in _sides(runs, before, after)]
    allowed = [word for text in allow or () for word in text.split(",")]
    for word in allowed:
        if not is_known_key(word, [run.evidence for side in sides for run in side]):
            raise TargetError(_unknown_key(word))
    found = compare_runs(sides[0], sides[1], allowed=allowed, tolerance_ev=energy_tolerance)
    parts = (
        found,
        contraction_changes(*sides),
        memory_changes(*sides),
        finding_changes(*sides),
        limits,
    )
    if form is Form.json:
        typer.echo(reporting.render_comparison_json(*parts), nl=False)
    else:
        typer.echo(DOCUMENTS[form](reporting.build_comparison(*parts)), nl=False)
    interval = found.median.interval if found.median else None
    if not found.comparable or any(each.check(interval) == speed_limits.BROKEN for each in limits):
        raise typer.Exit(1)


def _unknown_key(word: str) -> str:
    from instrumented_calc.analysis.comparison.hardware import KEYS, VALUES

    return f"--allow {word}: unknown key; known keys: {', '.join((*KEYS, VALUES))}, or a library name"


def _sides(
    runs: Sequence[str] | None, before: Sequence[str] | None, after: Sequence[str] | None
) -> tuple[list[Path], list[Path]]:
    """Return the files of both sides."""
    if runs and (before or after):
        message = f"give two runs, or --before and --after: {EXAMPLE}"
        raise TargetError(message)
    if runs:
        if len(runs) != 2:  # noqa: PLR2004 - before and after
            message = f"{len(runs)} runs given; state which are before and which after: {EXAMPLE}"
            raise TargetError(message)
        before, after = [runs[0]], [runs[1]]
    if not before or not after:
        message = f"both sides are needed: {EXAMPLE}"
        raise TargetError(message)
    return given_files(before), given_files(after)


def _read(path: Path) -> MeasuredRun:
    from instrumented_calc.analysis.comparison.measured_run import run_of_result, run_of_summary
    from instrumented_calc.analysis.summary import summarize
    from instrumented_calc.journal.first_energies import read_energies
    from instrumented_calc.journal.reader import read_journal

    result = _result(path)
    if result is not None:
        run = run_of_result(str(path), result)
        if run is None:
            message = (
                f"{path}: JSON without latencies_ms, device and n_atoms; give a journal or a result file"
            )
            raise JournalReadError(message)
        return run
    return run_of_summary(summarize(read_journal(path)), read_energies(path))


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
