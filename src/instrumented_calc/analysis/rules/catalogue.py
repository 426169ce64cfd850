"""All rules in order, and the judgement of a run by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules import (
    components,
    contraction_speed,
    contractions,
    conversions,
    device,
    interruptions,
    jax,
    latency,
    memory,
    numerics,
    overhead,
    processors,
    profiler,
    usage,
)
from instrumented_calc.analysis.rules.evidence import gather
from instrumented_calc.analysis.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Rule, Severity
    from instrumented_calc.analysis.summary import Summary

RULES: tuple[Rule, ...] = (
    *latency.RULES,
    *interruptions.RULES,
    *overhead.RULES,
    *memory.RULES,
    *components.RULES,
    *contractions.RULES,
    *contraction_speed.RULES,
    *conversions.RULES,
    *processors.RULES,
    *device.RULES,
    *numerics.RULES,
    *usage.RULES,
    *jax.RULES,
    *profiler.RULES,
)
NAMES = tuple(rule.name for rule in RULES)
# Below this share of the wall time a saving is reported as information only. Uncalibrated.
WORTH_SHARE = 0.03
FIRST = {"wrong": 0, "cost": 1, "info": 2}
VERDICTS = {"flagged": 0, "not enough evidence": 1, "clear": 2}


def judge(summary: Summary, ignore: Collection[str] = ()) -> list[Finding]:
    """Judge a run by all rules.

    Args:
        summary: The run in numbers.
        ignore: Names of rules to skip.

    Returns:
        One finding per rule: flagged ones first, wrong results and runs that will die before all, then by
        cost; then those without evidence; then the clear ones, both in the catalogue's order.
    """
    evidence = gather(summary)
    found = [_judged(rule, evidence) for rule in RULES if rule.name not in ignore]
    return sorted(found, key=_rank)


def _rank(finding: Finding) -> tuple[int, int, float]:
    if finding.verdict != "flagged":
        return VERDICTS[finding.verdict], 0, 0.0
    return 0, FIRST[finding.severity], -(finding.saving_share or 0.0)


def _judged(rule: Rule, evidence: Evidence) -> Finding:
    seen = rule.look(evidence)
    summary = evidence.summary
    share = saving = ceiling = None
    if seen.saving_ns is not None and summary.wall_ns:
        share = min(max(seen.saving_ns / summary.wall_ns, 0.0), 1.0)
        ceiling = 1 / (1 - share) if share < 1 else None
        units = summary.speed.steps if summary.speed else summary.evaluations.calls
        saving = share * summary.wall_ns / units / 1e6 if units else None
    severity: Severity = seen.severity or rule.severity
    if severity == "cost" and share is not None and share < WORTH_SHARE:
        severity = "info"
    return Finding(
        rule=rule.name,
        verdict=seen.verdict,
        severity=severity,
        headline=seen.text,
        numbers=seen.numbers,
        n=seen.n,
        saving_ms=saving,
        saving_share=share,
        ceiling=ceiling,
        remedy=seen.remedy or rule.remedy,
        confirm=rule.confirm,
        silence=f"--ignore {rule.name}",
    )
