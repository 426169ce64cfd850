"""Findings as text: the problem, its cost and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.catalogue import VOID
from instrumented_calc.quantities import count, figures, percent
from instrumented_calc.reporting.document import Facts, Paragraph, Section
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from instrumented_calc.analysis.rules.finding import Need, RuleFinding

SEVERITIES = {"wrong": "WRONG OR WILL DIE", "cost": "COSTS TIME", "info": "GOOD TO KNOW"}


def findings_section(findings: Sequence[RuleFinding], *, everything: bool = False) -> Section | None:
    """Return the section on findings, or None if no rules were run.

    Args:
        findings: In display order.
        everything: Whether to show each rule that was clear or lacked evidence on a line of its own.
    """
    if not findings:
        return None
    problems = [each for each in _of(findings, "flagged") if each.follows_from is None]
    blocks: list[Paragraph | Facts] = []
    for finding in problems:
        head = f"{SEVERITIES[finding.severity]}  {finding.rule}: {identity.one_line(finding.headline)}"
        pairs = [*_pairs(finding), *_consequences(finding, findings)]
        blocks += [Paragraph((head,)), Facts(tuple(pairs))]
    if not problems:
        blocks.append(Paragraph(("No findings.",)))
    total = sum(each.counted_share or 0.0 for each in problems)
    if sum(1 for each in problems if each.saving_share) > 1:
        blocks.append(Paragraph((f"All of these together save at most {percent(total)} of the wall time.",)))
    return Section("Findings", (*blocks, *(_in_full(findings) if everything else _folded(findings))))


def _consequences(finding: RuleFinding, findings: Sequence[RuleFinding]) -> list[tuple[str, str]]:
    """Return the findings that follow from one."""
    return [
        ("it explains", f"{each.rule}: {identity.one_line(each.headline)}")
        for each in _of(findings, "flagged")
        if each.follows_from == finding.rule
    ]


def _folded(findings: Sequence[RuleFinding]) -> list[Paragraph]:
    """Return a line on the clear rules, by coverage, and one on what would decide the rest."""
    lines = []
    cleared = _of(findings, "clear")
    if cleared:
        rules = "; ".join(
            f"{', '.join(names)} ({coverage})" if coverage else ", ".join(names)
            for coverage, names in _grouped((each.coverage, each.rule) for each in cleared).items()
        )
        lines.append(f"clear ({count(len(cleared))}): {rules}")
    if _is_void(findings):
        lines.append("Nothing else is judged, because the simulation is not sound.")
    missing = [each for each in _of(findings, "not enough evidence") if each.headline != VOID]
    if missing:
        lines.append(f"not decided ({count(len(missing))}): {_decided_by(missing)}. --all shows why.")
    return [Paragraph(tuple(lines))] if lines else []


def _decided_by(missing: Sequence[RuleFinding]) -> str:
    """Return which rules would be decided by what."""
    decided = _grouped((need_words(need), each.rule) for each in missing for need in each.needs)
    words = [f"{', '.join(rules)} need{'s' * (len(rules) == 1)} {need}" for need, rules in decided.items()]
    rest = [each.rule for each in missing if not each.needs]
    return "; ".join([*words, *([f"nothing here decides {', '.join(rest)}"] if rest else [])])


def _in_full(findings: Sequence[RuleFinding]) -> list[Paragraph | Facts]:
    """Return a line on each rule that was clear, and on each that lacked evidence."""
    cleared = [(each.rule, f"{each.headline} ({each.coverage})") for each in _of(findings, "clear")]
    missing = [
        (each.rule, "; needs ".join([each.headline, *map(need_words, each.needs)]))
        for each in _of(findings, "not enough evidence")
    ]
    blocks: list[Paragraph | Facts] = []
    for heading, pairs in (("clear", cleared), ("not decided", missing)):
        if pairs:
            lines = tuple((name, identity.one_line(text)) for name, text in pairs)
            blocks += [Paragraph((f"{heading} ({count(len(pairs))}):",)), Facts(lines)]
    return blocks


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the second of each pair by the first, the most frequent first."""
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _pairs(finding: RuleFinding) -> list[tuple[str, str]]:
    known = [(name, value) for name, value in finding.numbers.items() if value not in (None, "")]
    pairs = [("figures", ", ".join(f"{_words(name)} {_value(value)}" for name, value in known))]
    if finding.n is not None:
        pairs.append(("based on", f"n = {count(finding.n)}"))
    pairs += [
        ("could save", saving_words(finding)),
        ("what to do", finding.remedy),
        *(("" if number else "write", line) for number, line in enumerate(finding.code)),
        ("to confirm", finding.confirm),
        ("to silence", finding.silence),
    ]
    return [(name, identity.one_line(text)) for name, text in pairs if text]


def saving_words(finding: RuleFinding) -> str:
    """Return what a remedy would save; empty if that is nothing or not known.

    Args:
        finding: The finding.
    """
    if not finding.saving_share or not finding.saving_kind:
        return ""
    words = f"{finding.saving_kind} {percent(finding.saving_share)} of the wall time"
    if finding.saving_ms is not None:
        words += f", {figures(finding.saving_ms)} ms per {finding.saving_per}"
    if finding.ceiling is None:
        return words
    return (
        f"{words}: {'up to ' if finding.saving_kind == 'at most' else ''}{finding.ceiling:.2f} times as fast"
    )


def _words(name: str) -> str:
    return identity.one_line(name.replace("_", " "))


def _value(value: Any) -> str:
    if isinstance(value, int):
        return count(value)
    return figures(value) if isinstance(value, float) else identity.one_line(str(value))


def need_words(need: Need) -> str:
    """Return what a run must provide, in words.

    Args:
        need: What a rule needs.
    """
    words = {
        "calls": f"{need.least:,} {need.what}" if need.least is not None else need.what,
        "record": need.what,
        "integration": f"an integration that reports {need.what}",
        "install": f"pip install '{need.what}'",
        "command": need.what,
    }
    return identity.one_line(words[need.kind])


def _is_void(findings: Sequence[RuleFinding]) -> bool:
    return any(each.headline == VOID for each in findings)


def _of(findings: Sequence[RuleFinding], verdict: str) -> list[RuleFinding]:
    return [each for each in findings if each.verdict == verdict]
