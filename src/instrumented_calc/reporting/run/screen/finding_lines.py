"""Findings on the screen: what is wrong, what to change and what that saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import plural
from instrumented_calc.reporting.run.findings import saving_words
from instrumented_calc.reporting.run.summary_layout import LABEL_WIDTH, wrapped
from instrumented_calc.reporting.run.summary_opening import in_short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding

LABELS = {"wrong": "PROBLEM", "cost": "SLOW", "info": "NOTE"}
CODE_SHOWN = 6
LEAST_SAVING = 0.001  # shown as 0.1 %
LONGEST_HEADLINE = 5  # lines
LONGEST_REMEDY = 4


class FoundIn(NamedTuple):
    """A finding and where it was made.

    Attributes:
        finding: The finding.
        where: The journals; empty if there is only one.
    """

    finding: RuleFinding
    where: str = ""


def finding_lines(found: Sequence[FoundIn], width: int, most: int) -> list[str]:
    """Return the findings in full while there is room, then one line for each, then their number.

    Args:
        found: Findings in display order; those that were not flagged are left out.
        width: Columns of a line.
        most: Lines, which the first finding may exceed.
    """
    flagged = [each for each in found if each.finding.verdict == "flagged"]
    causes = [each for each in flagged if each.finding.follows_from is None]
    left = most - len(causes)  # a line is kept for each that follows
    lines: list[str] = []
    for number, each in enumerate(causes):
        explained = [
            other.finding.rule for other in flagged if other.finding.follows_from == each.finding.rule
        ]
        full = _in_full(each, explained, width)
        shown = full if not number or len(full) <= left + 1 else _headline(each.finding, width, 1)
        rest = len(causes) - number
        if number and len(lines) + len(shown) + (rest > 1) > most:
            lines.append(f"{'':<{LABEL_WIDTH}}and {plural(rest, 'other finding')}: see --all")
            break
        left -= len(shown) - 1
        lines += shown
    return lines


def _in_full(found: FoundIn, explained: Sequence[str], width: int) -> list[str]:
    finding = found.finding
    lines = _headline(finding, width, LONGEST_HEADLINE)
    rows = [
        ("in", found.where),
        ("change", finding.remedy),
        ("saves", saving_words(finding) if (finding.saving_share or 0) >= LEAST_SAVING else ""),
        ("causes", ", ".join(explained)),
    ]
    for label, text in rows:
        if text:
            lines += wrapped(f"  {label}", in_short(text), most=LONGEST_REMEDY, width=width)
        if label == "change":
            lines += [
                f"{'' if number else '  write':<{LABEL_WIDTH}}{plain(line)}"
                for number, line in enumerate(finding.code[:CODE_SHOWN])
            ]
    return lines


def _headline(finding: RuleFinding, width: int, most: int) -> list[str]:
    text = f"{finding.rule}: {in_short(finding.headline)}"
    return wrapped(LABELS[finding.severity], text, most=most, width=width)
