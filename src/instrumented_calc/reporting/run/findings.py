"""Findings as text: the problem, its cost and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Facts, Paragraph, Section
from instrumented_calc.reporting.quantities import count, figures, percent, plural
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from instrumented_calc.analysis.rules.finding import Finding

UNKNOWN_NAMED = 3
LONGEST_HEADLINE = 110
SEVERITIES = {"wrong": "WRONG OR WILL DIE", "cost": "COSTS TIME", "info": "GOOD TO KNOW"}


def findings_section(findings: Sequence[Finding]) -> Section | None:
    """Return the section on findings, or None if no rules were run.

    Args:
        findings: In display order.
    """
    if not findings:
        return None
    problems = _of(findings, "flagged")
    blocks: list[Paragraph | Facts] = []
    for finding in problems:
        head = f"{SEVERITIES[finding.severity]}  {finding.rule}: {identity.one_line(finding.headline)}"
        blocks += [Paragraph((head,)), Facts(tuple(_pairs(finding)))]
    if not problems:
        blocks.append(Paragraph(("No findings.",)))
    cleared, missing = _of(findings, "clear"), _of(findings, "not enough evidence")
    last = [f"clear ({count(len(cleared))}): {', '.join(each.rule for each in cleared)}"] if cleared else []
    if missing:
        reasons = "; ".join(f"{each.rule} ({identity.one_line(each.headline)})" for each in missing)
        last.append(f"not enough evidence ({count(len(missing))}): {reasons}")
    return Section("Findings", (*blocks, *([Paragraph(tuple(last))] if last else [])))


def _pairs(finding: Finding) -> list[tuple[str, str]]:
    known = [(name, value) for name, value in finding.numbers.items() if value not in (None, "")]
    pairs = [("figures", ", ".join(f"{_words(name)} {_value(value)}" for name, value in known))]
    if finding.n is not None:
        pairs.append(("based on", f"n = {count(finding.n)}"))
    pairs += [
        ("could save", _saving(finding)),
        ("what to do", finding.remedy),
        ("to confirm", finding.confirm),
        ("to silence", finding.silence),
    ]
    return [(name, identity.one_line(text)) for name, text in pairs if text]


def _saving(finding: Finding) -> str:
    if finding.saving_share is None:
        return ""
    words = f"{percent(finding.saving_share)} of the wall time at most"
    if finding.saving_ms is not None:
        words = f"{figures(finding.saving_ms)} ms per step, {words}"
    return words if finding.ceiling is None else f"{words}: {finding.ceiling:.2f} times as fast"


def _words(name: str) -> str:
    return identity.one_line(name.replace("_", " "))


def _value(value: Any) -> str:
    if isinstance(value, int):
        return count(value)
    return figures(value) if isinstance(value, float) else identity.one_line(str(value))


def flagged_line(findings: Sequence[Finding]) -> str:
    """Return the worst finding and the number of findings; empty if none costs anything."""
    problems = [each for each in _of(findings, "flagged") if each.severity != "info"]
    if not problems:
        return ""
    first = problems[0]
    cost = "" if first.saving_share is None else f" ({percent(first.saving_share, 0)} of wall)"
    more = f"; also {', '.join(each.rule for each in problems[1:])}" if len(problems) > 1 else ""
    clear = len(_of(findings, "clear"))
    of = f"({len(problems)} of {count(len(findings))} rules; {clear} clear)"
    return f"{first.rule}: {shortened(identity.one_line(first.headline))}{cost}{more} {of}"


def shortened(text: str) -> str:
    """Shorten a headline to fit a line of the summary; the report has the full text."""
    return text if len(text) <= LONGEST_HEADLINE else f"{text[: LONGEST_HEADLINE - 3].rsplit(' ', 1)[0]}..."


def unknown_line(findings: Sequence[Finding]) -> str:
    """Return the number and the first names of the rules that lacked evidence, or an empty string."""
    missing = [each.rule for each in _of(findings, "not enough evidence")]
    if not missing:
        return ""
    more = ", ..." if len(missing) > UNKNOWN_NAMED else ""
    return f"{plural(len(missing), 'rule')} lacked evidence: {', '.join(missing[:UNKNOWN_NAMED])}{more}"


def _of(findings: Sequence[Finding], verdict: str) -> list[Finding]:
    return [each for each in findings if each.verdict == verdict]
