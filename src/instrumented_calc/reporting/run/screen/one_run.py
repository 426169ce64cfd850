"""The screen about one journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.analysis.systems import measure_systems
from instrumented_calc.quantities import plural
from instrumented_calc.reporting.run import identity, summary_rows
from instrumented_calc.reporting.run.ending import end_of_run
from instrumented_calc.reporting.run.over_time import over_time
from instrumented_calc.reporting.run.programs import program_words
from instrumented_calc.reporting.run.screen.finding_lines import FoundIn, finding_lines
from instrumented_calc.reporting.run.screen.tables import phases_lines, systems_lines
from instrumented_calc.reporting.run.screen.time_tree import tree_lines
from instrumented_calc.reporting.run.soundness import broken_line, soundness_words
from instrumented_calc.reporting.run.summary_layout import wrapped
from instrumented_calc.reporting.run.summary_opening import (
    flaw_rows,
    open_words,
    problems_of,
    sentence,
    where_the_time_goes,
)
from instrumented_calc.reporting.run.time_bar import draw_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary

SCREEN_LINES = 45  # without title, targets and the next command
FEWEST_FOR_FINDINGS = 12


def run_blocks(run: ReadRun, width: int) -> list[list[str]]:
    """Return the blocks of lines, which belong below each other with an empty line between them.

    Args:
        run: The run.
        width: Columns of a line.
    """
    summary, findings = run.summary, run.findings
    calculator = summary_rows.calculator_name(summary)
    before = [
        [
            line
            for row in opening_rows(summary, findings, calculator)
            for line in wrapped(row.label, row.text, most=row.most, width=width)
        ],
        _rows(what_ran(summary), width),
    ]
    after = [
        tree_lines(summary, calculator, width),
        phases_lines(summary.phases),
        systems_lines(measure_systems([summary.journal])),
        _rows(_course(summary, findings), width),
    ]
    used = sum(len(block) + 1 for block in [*before, *after] if block)
    ruined = {each.name for each in summary.soundness.ruined}
    shown = [FoundIn(each) for each in findings if each.rule not in ruined]
    found = finding_lines(shown, width, max(SCREEN_LINES - used, FEWEST_FOR_FINDINGS))
    return [*before, found, *after]


class OpeningRow(NamedTuple):
    """A line of the opening.

    Attributes:
        label: What it is about; empty: the sentence on the whole run.
        text: The text.
        most: Lines on the screen after which it is cut.
    """

    label: str
    text: str
    most: int = 3


def opening_rows(summary: Summary, findings: Sequence[RuleFinding], calculator: str) -> list[OpeningRow]:
    """Return what is wrong with a run, how it ended, or that nothing is wrong.

    Args:
        summary: The run.
        findings: Findings of the rules, in display order.
        calculator: Name of the calculator.
    """
    drawn = draw_time(summary.breakdown, calculator)
    problems = problems_of(findings)
    flaws = flaw_rows(summary, findings)
    rows = []
    broken = broken_line(summary.soundness)
    if broken:
        ruined = summary.soundness.ruined[0].name
        remedies = [each.remedy for each in problems if each.rule == ruined]
        rows.append(OpeningRow("BROKEN", " ".join([broken, *remedies]), 5))
    ended = end_of_run(summary.ending)
    if ended:
        rows.append(OpeningRow("ENDED", identity.one_line(ended)))
    elif words := open_words(summary):
        rows.append(OpeningRow("open", words))
    if problems and not broken:
        rows.insert(0, OpeningRow("", f"{where_the_time_goes(summary, drawn)}; {_counted(problems)}."))
    elif not broken:
        text = sentence(summary, findings, drawn, flawed=bool(flaws or ended))
        rows.insert(0, OpeningRow("", text))
    return [*rows, *(OpeningRow(label, text) for label, text in flaws)]


def _counted(problems: Sequence[RuleFinding]) -> str:
    """Return how many problems were found, and how many things that cost time."""
    wrong = sum(1 for each in problems if each.severity == "wrong")
    costs = len(problems) - wrong
    words = [plural(wrong, "problem")] if wrong else []
    if costs:
        words.append(f"{costs} thing{'s' * (costs > 1)} that cost{'s' * (costs == 1)} time")
    return f"found: {' and '.join(words)}"


def what_ran(summary: Summary) -> Iterator[summary_rows.Row]:
    """Yield what ran, how fast, and what was seen of its soundness.

    Args:
        summary: The run.
    """
    yield from summary_rows.run_and_speed(summary)
    if summary.programs is not None:
        yield "program", program_words(summary.programs)
    if not summary.soundness.ruined and (words := soundness_words(summary.soundness)):
        yield "sound", words
    for each in summary.soundness.checks:
        if each.verdict == "flagged" and not each.ruins:
            yield "LOOK AT", identity.one_line(each.text)


def _course(summary: Summary, findings: Sequence[RuleFinding]) -> Iterator[summary_rows.Row]:
    yield from summary_rows.physics(summary)
    yield from summary_rows.memory(summary, findings)
    yield from over_time(summary, findings)


def _rows(rows: Iterator[summary_rows.Row] | list[summary_rows.Row], width: int) -> list[str]:
    return [line for label, text in rows for line in wrapped(label, text, width=width)]
