"""The screen about one journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        _opening(summary, findings, calculator, width),
        _rows(_what_ran(summary), width),
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


def _opening(summary: Summary, findings: Sequence[RuleFinding], calculator: str, width: int) -> list[str]:
    drawn = draw_time(summary.breakdown, calculator)
    problems = problems_of(findings)
    flaws = flaw_rows(summary, findings)
    lines = []
    if broken := broken_line(summary.soundness):
        ruined = summary.soundness.ruined[0].name
        remedies = [each.remedy for each in problems if each.rule == ruined]
        lines += wrapped("BROKEN", " ".join([broken, *remedies]), most=5, width=width)
    ended = end_of_run(summary.ending)
    if ended:
        lines += wrapped("ENDED", identity.one_line(ended), width=width)
    elif words := open_words(summary):
        lines += wrapped("open", words, width=width)
    if problems and not broken:
        text = f"{where_the_time_goes(summary, drawn)}; {_counted(problems)}."
        lines = [*wrapped("", text, width=width), *lines]
    elif not broken:
        text = sentence(summary, findings, drawn, flawed=bool(flaws or ended))
        lines = [*wrapped("", text, width=width), *lines]
    for label, text in flaws:
        lines += wrapped(label, text, width=width)
    return lines


def _counted(problems: Sequence[RuleFinding]) -> str:
    """Return how many problems were found, and how many things that cost time."""
    wrong = sum(1 for each in problems if each.severity == "wrong")
    costs = len(problems) - wrong
    words = [plural(wrong, "problem")] if wrong else []
    if costs:
        words.append(f"{costs} thing{'s' * (costs > 1)} that cost{'s' * (costs == 1)} time")
    return f"found: {' and '.join(words)}"


def _what_ran(summary: Summary) -> Iterator[summary_rows.Row]:
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
