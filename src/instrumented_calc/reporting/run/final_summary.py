"""The summary printed when a run ends: a finding or a sentence first, then plain lines backed by evidence."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.run import identity, summary_rows
from instrumented_calc.reporting.run.observers import observers_words
from instrumented_calc.reporting.run.over_time import over_time
from instrumented_calc.reporting.run.places import largest_place
from instrumented_calc.reporting.run.programs import program_words
from instrumented_calc.reporting.run.summary_layout import fitting, labelled
from instrumented_calc.reporting.run.summary_opening import opening_lines
from instrumented_calc.reporting.run.time_bar import draw_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.reporting.run.time_bar import TimeBar

MOST_LINES = 18
SOUND_LINES = 8
# Rows that a summary can do without, the least important first.
SPARE = ("growth", "latency", "where", "slowest", "start", "observer", "memory", "physics", "program")


def closing_summary(path: Path) -> str:
    """Read a journal back and summarise it.

    Args:
        path: The journal of a run that has just ended.

    Raises:
        JournalReadError: If it cannot be read.
    """
    summary = summarize(read_journal(path))
    return closing_text(summary, judge(summary) if summary.evaluations.calls else ())


def closing_text(summary: Summary, findings: Sequence[RuleFinding] = ()) -> str:
    """Return a summary of a run within 80 columns, except for the path in its last line.

    Of a sound run it has at most 8 lines; of any other at most 18, and what is wrong comes first.

    Args:
        summary: The run.
        findings: Findings of the rules, in display order.
    """
    drawn = draw_time(summary.breakdown, summary_rows.calculator_name(summary))
    opening = opening_lines(summary, findings, drawn)
    rows = list(_rows(summary, findings, drawn))
    most = (SOUND_LINES if len(opening) == 1 else MOST_LINES) - len(opening) - 1
    for label in SPARE:
        if len(rows) > most:
            rows = [row for row in rows if row[0] != label]
    lines = [*opening, *(labelled(*row) for row in rows)][: MOST_LINES - 1]
    return "\n".join([*lines, next_line(summary.journal.path)])


def next_line(path: Path) -> str:
    """Return the line on what to do next."""
    try:
        folder = str(Path.cwd())
    except OSError:  # it was deleted
        folder = ""
    # The program may have changed its folder; then the shell, where the command will be typed, is in another.
    if folder and os.environ.get("PWD") == folder and path.is_relative_to(folder):
        path = path.relative_to(folder)
    return labelled("next", f"instrumented-calc report {shlex.quote(identity.one_line(path))}")


def _rows(
    summary: Summary, findings: Sequence[RuleFinding], drawn: TimeBar | None
) -> Iterator[summary_rows.Row]:
    yield from summary_rows.run_and_speed(summary)
    if drawn is not None:
        yield "time", drawn.bar
        yield "", drawn.legend
    if observers := observers_words(summary.observers):
        yield "observer", fitting(observers)
    yield from summary_rows.waiting(findings)
    if place := largest_place(summary):
        yield "where", fitting((place,))
    if summary.programs is not None:
        yield "program", fitting((program_words(summary.programs),))
    yield from over_time(summary, findings)
    yield from summary_rows.physics(summary)
    yield from summary_rows.memory(summary, findings)
