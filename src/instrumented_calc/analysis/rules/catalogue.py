"""All rules in order, and the judgement of a run by them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules import (
    child_processes,
    components,
    contention,
    contraction_speed,
    contractions,
    conversions,
    debugging_aids,
    device,
    evaluations,
    interruptions,
    jax,
    latency,
    memory,
    numerical_forces,
    numerics,
    outside,
    overhead,
    processors,
    profiler,
    recompilation,
    services,
    soundness,
    usage,
)
from instrumented_calc.analysis.rules.causes import fold
from instrumented_calc.analysis.rules.evidence import gather
from instrumented_calc.analysis.rules.finding import RuleFinding
from instrumented_calc.analysis.rules.savings import count_once

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, Region, Rule
    from instrumented_calc.analysis.summary import Summary

RULES: tuple[Rule, ...] = (
    *soundness.RULES,
    *debugging_aids.RULES,
    *latency.RULES,
    *contention.RULES,
    *recompilation.RULES,
    *interruptions.RULES,
    *overhead.RULES,
    *memory.RULES,
    *components.RULES,
    *outside.RULES,
    *contractions.RULES,
    *contraction_speed.RULES,
    *conversions.RULES,
    *processors.RULES,
    *child_processes.RULES,
    *services.RULES,
    *device.RULES,
    *numerics.RULES,
    *usage.RULES,
    *evaluations.RULES,
    *numerical_forces.RULES,
    *jax.RULES,
    *profiler.RULES,
)
NAMES = tuple(rule.name for rule in RULES)
# Below this share of the wall time a saving is reported as information only. Uncalibrated.
WORTH_SHARE = 0.03
VOID = "not judged, because the simulation is not sound"
FIRST = {"wrong": 0, "cost": 1, "info": 2}
# Rules whose findings make all other times of a run doubtful: before other findings of their severity.
DISTORTING = frozenset({"debugging-aids"})
VERDICTS = {"flagged": 0, "not enough evidence": 1, "clear": 2}


def judge(summary: Summary, ignore: Collection[str] = ()) -> list[RuleFinding]:
    """Judge a run by all rules.

    Args:
        summary: The run in numbers.
        ignore: Names of rules to skip.

    Returns:
        One finding per rule: flagged ones first, wrong results and runs that will die before all, then by
        cost, then those that follow from others; then those without evidence; then the clear ones, both in
        the catalogue's order. If the simulation is not sound, nothing else is called a cost, and nothing is
        clear.
    """
    evidence = gather(summary)
    seen = {rule: rule.look(evidence) for rule in RULES if rule.name not in ignore}
    found = fold(evidence, [_found(rule, each) for rule, each in seen.items()])
    savings = _savings(evidence, seen, found)
    found = [_saving(each, *savings[each.rule], evidence) if each.rule in savings else each for each in found]
    ruined = [each.name for each in summary.soundness.ruined if each.name not in ignore]
    if ruined:
        found = [_beside_ruin(each) for each in found]
        found.sort(key=lambda each: ruined.index(each.rule) if each.rule in ruined else len(ruined))
    return sorted(found, key=_rank)


def _savings(
    evidence: Evidence, seen: Mapping[Rule, Observation], found: Sequence[RuleFinding]
) -> dict[str, tuple[float, float]]:
    """Return the savings of findings with a cause of their own, ns: alone, and with time counted once."""
    claims: dict[str, dict[tuple[str, bool], tuple[Region, float]]] = {}  # by rule; between calls?
    for (rule, each), finding in zip(seen.items(), found, strict=True):
        if each.flagged and each.saving_ns is not None and finding.follows_from is None:
            claims[rule.name] = {
                (rule.name, False): (rule.region, each.saving_ns),
                (rule.name, True): ("outside", each.outside_ns),
            }
    times = evidence.summary.wall_ns or 0, evidence.calculator_ns
    together = count_once({key: claim for own in claims.values() for key, claim in own.items()}, *times)
    return {
        name: (sum(count_once(own, *times).values()), sum(together[key] for key in own))
        for name, own in claims.items()
    }


def _beside_ruin(finding: RuleFinding) -> RuleFinding:
    """Return a finding as it is reported of a run whose simulation is not sound."""
    if finding.verdict == "clear":
        return replace(finding, verdict="not enough evidence", headline=VOID, n=None, coverage="")
    if finding.verdict == "flagged" and finding.severity == "cost":
        return replace(
            finding,
            severity="info",
            saving_ms=None,
            saving_share=None,
            counted_share=None,
            saving_kind=None,
            ceiling=None,
        )
    return finding


def _rank(finding: RuleFinding) -> tuple[int, bool, int, float]:
    if finding.verdict != "flagged":
        return VERDICTS[finding.verdict], False, 0, 0.0
    folded = finding.follows_from is not None
    share = math.inf if finding.rule in DISTORTING else finding.counted_share or 0.0
    return 0, folded, FIRST[finding.severity], -share


def _found(rule: Rule, seen: Observation) -> RuleFinding:
    saves = seen.flagged and seen.saving_ns is not None
    return RuleFinding(
        rule=rule.name,
        verdict=seen.verdict,
        severity=seen.severity or rule.severity,
        headline=seen.text,
        numbers=seen.numbers,
        n=seen.n,
        saving_ms=None,
        saving_share=None,
        saving_kind=(seen.saving_kind or rule.saving_kind) if saves else None,
        ceiling=None,
        remedy=seen.remedy or rule.remedy,
        confirm=rule.confirm,
        silence=f"--ignore {rule.name}",
        trial=(seen.trial or rule.trial) if seen.flagged else None,
        coverage=seen.coverage,
        needs=seen.needs,
        code=seen.code,
    )


def _saving(finding: RuleFinding, alone_ns: float, counted_ns: float, evidence: Evidence) -> RuleFinding:
    """Return a finding with its saving; one that is hardly worth the work is information only."""
    summary = evidence.summary
    if not summary.wall_ns:
        return finding
    # What others save too may not be taken from an upper limit: it would be none.
    saving_ns = alone_ns if finding.saving_kind == "at most" else counted_ns
    share, counted = (min(each / summary.wall_ns, 1.0) for each in (saving_ns, counted_ns))
    units = summary.speed.steps if summary.speed else summary.evaluations.calls
    return replace(
        finding,
        severity="info" if finding.severity == "cost" and counted < WORTH_SHARE else finding.severity,
        saving_share=share,
        counted_share=counted,
        saving_ms=saving_ns / units / 1e6 if units else None,
        saving_per="step" if summary.speed else "call",
        ceiling=1 / (1 - share) if share < 1 else None,
    )
