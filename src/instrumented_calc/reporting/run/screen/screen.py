"""The report that fits on one screen."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.report import measured_words, report_title
from instrumented_calc.reporting.run.screen.one_run import run_blocks
from instrumented_calc.reporting.run.screen.several_runs import journals_blocks
from instrumented_calc.reporting.run.summary_layout import WIDTH, labelled, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.read_run import ReadRun

NARROWEST, WIDEST = 60, 100  # longer lines are hard to read


def render_screen(runs: Sequence[ReadRun], width: int = WIDTH) -> str:
    """Return what is worth knowing first on about 50 lines, ending with a newline.

    Args:
        runs: One per journal, at least one.
        width: Columns of a line; 60 to 100 are used.
    """
    width = min(max(width, NARROWEST), WIDEST)
    blocks = run_blocks(runs[0], width) if len(runs) == 1 else journals_blocks(runs, width)
    blocks += [_targets(runs, width), [_next(runs)]]
    title = wrapped("", report_title(runs), width=width)
    return "\n\n".join("\n".join(block) for block in [title, *blocks] if block) + "\n"


def _targets(runs: Sequence[ReadRun], width: int) -> list[str]:
    lines = []
    for run in runs:
        where = f" in {identity.one_line(run.summary.journal.path.name)}" if len(runs) > 1 else ""
        for each in run.outcomes:
            text = f"{identity.one_line(each.target.text)}{where}: {each.verdict}, {measured_words(each)}"
            lines += wrapped("target", text, width=width)
    return lines


def _next(runs: Sequence[ReadRun]) -> str:
    """Return the line with the command to type next, which may be longer than others."""
    paths = identity.one_line(shlex.join(str(each.summary.journal.path) for each in runs))
    if not any(each.summary.evaluations.calls for each in runs):
        return labelled("next", f"instrumented-calc validate {paths}")
    return labelled("next", f"instrumented-calc report {paths} --all")
