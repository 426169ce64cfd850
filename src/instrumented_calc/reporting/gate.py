"""The result of a gate: a document, JSON, and one line for the log of a CI job."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.decision import ComparisonOutcome
from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import percentage, plural
from instrumented_calc.reporting.comparison import build_comparison, render_comparison_json
from instrumented_calc.reporting.document import Document, Paragraph, Section
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.change_point import ChangePoint
    from instrumented_calc.analysis.comparison.gate_result import GateResult
    from instrumented_calc.analysis.comparison.sequential import Judgement

SCHEMA = "instrumented-calc-gate/1"
WORDS = {
    ComparisonOutcome.within: "WITHIN THE LIMIT",
    ComparisonOutcome.slower: "LIMIT EXCEEDED",
    ComparisonOutcome.not_sure: "NOT SURE",
    ComparisonOutcome.not_comparable: "NOT COMPARABLE",
}


def headline(result: GateResult) -> str:
    """Return the result in one line."""
    words = f"{WORDS[result.outcome]}: {result.limit.text}"
    if result.outcome is ComparisonOutcome.not_comparable:
        return f"{words}: {one_line(result.comparison.obstacles[0].text)}"
    judgement = result.judgement
    if judgement.first is None:
        return f"{words}: {_measured(judgement)}{_why_unsure(result)}"
    first = f"found exceeded by {_measured(judgement.first)}"
    if result.outcome is ComparisonOutcome.slower:
        return f"{words}: {first}, confirmed by {_measured(judgement)}"
    return f"{words}: {first}, but not confirmed by {_measured(judgement)}{_why_unsure(result)}"


def _measured(judgement: Judgement) -> str:
    pairs = plural(judgement.pairs, "pair")
    interval = judgement.interval
    if interval is None:
        return f"{pairs} of runs"
    return f"{pairs} of runs: time per call x {interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _why_unsure(result: GateResult) -> str:
    if result.outcome is not ComparisonOutcome.not_sure:
        return ""
    return "; the time is up, see --budget" if result.out_of_time else "; see --max-pairs"


def build_gate(result: GateResult, history: Sequence[str] = ()) -> Document:
    """Return the result as a document.

    Args:
        result: Result of the gate.
        history: Lines on earlier gates.
    """
    pairs = plural(len(result.comparison.before), "pair")
    method = (
        f"{pairs} of runs in {result.seconds:.0f} s, in fresh processes and in random order within pairs;"
        " the 95 % hold for all looks at the pairs together"
    )
    sections = build_comparison(result.comparison).sections[1:]  # its verdict looks only once
    found = [Section("Gate", (Paragraph((headline(result), method)),))]
    if result.comparison.obstacles:
        lines = tuple(f"{each.rule}: {one_line(each.text)}" for each in result.comparison.obstacles)
        found.append(Section("Not comparable", (Paragraph(lines),)))
    if history:
        found.append(Section("History", (Paragraph(tuple(history)),)))
    return Document(f"Gate {result.limit.text}", (*found, *sections))


def history_lines(results: Sequence[dict[str, Any]], change: ChangePoint | None) -> list[str]:
    """Return what earlier gates with equal keys say.

    Args:
        results: All results in order of time, the newest last.
        change: The change of their level, if there is one.
    """
    lines = [f"{plural(len(results), 'gate')} of equal machine, model and system"]
    if change is not None:
        since = one_line(str(results[change.place]["started"]))
        change_size = percentage(change.ratio - 1, signed=True)
        lines.append(
            f"the time per call changed by {change_size} with the gate of {since}"
            f" (number {change.place + 1}; by chance in {percentage(change.chance)} of random orders)"
        )
        versions = [results[place].get("libraries") for place in (change.place - 1, change.place)]
        lines += _updates(*versions)
    return lines


def _updates(old: Any, new: Any) -> list[str]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    changed = [
        one_line(f"{name} {old.get(name, 'absent')} -> {new.get(name, 'absent')}")
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    return [f"libraries that changed with it: {', '.join(changed)}"] if changed else []


def render_gate_json(result: GateResult, history: Sequence[str] = ()) -> str:
    """Return the result as one JSON object, indented, ending with a newline."""
    document = {
        "schema": SCHEMA,
        "outcome": result.outcome.name.replace("_", " "),
        "limit": result.limit.text,
        "judgement": asdict(result.judgement),
        "seconds": result.seconds,
        "out_of_time": result.out_of_time,
        "history": list(history),
        "comparison": json.loads(render_comparison_json(result.comparison)),
    }
    return plain_json(document) + "\n"


def annotation(result: GateResult, *, failed: bool) -> str:
    """Return the line that GitHub Actions shows beside a job.

    Args:
        result: Result of the gate.
        failed: Whether the exit code is not 0.
    """
    text = headline(result).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{'error' if failed else 'notice'} title=instrumented-calc gate::{text}"
