"""Which findings follow from others: relations between rules, each checked on the evidence of the run.

A finding that follows from another is shown under it. It keeps its figures, but it is not a separate problem:
the saving is counted for its cause only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.memory import HOST_GROWTH, comes_with_something_new

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import RuleFinding

# Share of an effect that its cause must account for, to explain it. Uncalibrated.
MOST = 0.6


@dataclass(frozen=True, slots=True)
class Relation:
    """One rule's finding may follow from another's.

    Attributes:
        cause: The rule that explains.
        effect: The rule that is explained.
        holds: Whether it does in this run; takes the evidence, the cause's finding and the effect's.
    """

    cause: str
    effect: str
    holds: Callable[[Evidence, RuleFinding, RuleFinding], bool]


def fold(evidence: Evidence, findings: Sequence[RuleFinding]) -> list[RuleFinding]:
    """Return findings, each with the root cause that explains it, if any.

    Args:
        evidence: The evidence of the run.
        findings: One per rule.
    """
    flagged = {each.rule: each for each in findings if each.verdict == "flagged"}
    causes: dict[str, str] = {}
    for relation in RELATIONS:
        cause, effect = flagged.get(relation.cause), flagged.get(relation.effect)
        if cause is None or effect is None or effect.rule in causes:
            continue
        if relation.holds(evidence, cause, effect) and _root(cause.rule, causes) != effect.rule:
            causes[effect.rule] = cause.rule
    return [
        replace(each, follows_from=_root(each.rule, causes)) if each.rule in causes else each
        for each in findings
    ]


def _root(rule: str, causes: dict[str, str]) -> str:
    while rule in causes:
        rule = causes[rule]
    return rule


def _shares(name: str) -> Callable[[Evidence, RuleFinding, RuleFinding], bool]:
    """Return the check that a figure of the effect, the cause's share of it, is large."""
    return lambda _, __, effect: (effect.numbers.get(name) or 0.0) >= MOST


def _seconds(least: float) -> Callable[[Evidence, RuleFinding, RuleFinding], bool]:
    """Return the check that the cause takes a share of the effect's seconds."""
    return lambda _, cause, effect: _number(cause, "seconds") >= least * _number(effect, "seconds") > 0


def _number(finding: RuleFinding, name: str) -> float:
    value = finding.numbers.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _made_calculators(_: Evidence, cause: RuleFinding, effect: RuleFinding) -> bool:
    """Return whether most of the time between calls is that to make calculators."""
    return _number(cause, "seconds_to_make_calculators") >= MOST * _number(effect, "seconds") > 0


def _overflowed(evidence: Evidence, _: RuleFinding, __: RuleFinding) -> bool:
    """Return whether most calls that compiled were at an overflow, or right after one."""
    calls = evidence.calls
    overflows = np.flatnonzero(calls.counts.get("overflows", np.zeros(0)) > 0)
    compiled = np.flatnonzero(calls.compiling & ~calls.nested)[2:]
    beside = np.isin(compiled, np.concatenate([overflows, overflows + 1]))
    return len(compiled) > 0 and bool(beside.mean() >= MOST)


def _cached(kind: str) -> Callable[[Evidence, RuleFinding, RuleFinding], bool]:
    """Return the check that memory rose when something new arrived."""

    def holds(evidence: Evidence, _: RuleFinding, __: RuleFinding) -> bool:
        memory = evidence.host if kind == HOST_GROWTH else evidence.device
        return memory is not None and comes_with_something_new(memory)

    return holds


def _compiled(evidence: Evidence, _: RuleFinding, __: RuleFinding) -> bool:
    """Return whether the new things that memory rose with are compilations."""
    memory = evidence.device if evidence.device is not None else evidence.host
    return memory is not None and memory.arrivals.get("compilations", 0.0) >= MOST


def _saturated(_: Evidence, cause: RuleFinding, __: RuleFinding) -> bool:
    """Return whether the threads that are too many compete: all allowed processors are busy."""
    return cause.severity == "cost" and _number(cause, "processors_busy") >= MOST * _number(cause, "allowed")


def _hot(_: Evidence, cause: RuleFinding, effect: RuleFinding) -> bool:
    """Return whether the throttled device explains the growth of the latency."""
    return _number(cause, "latency") >= MOST * _number(effect, "growth")


def _stormed(least: float) -> Callable[[Evidence, RuleFinding, RuleFinding], bool]:
    """Return the check that a storm that is a cost takes a share of the effect's seconds."""
    takes = _seconds(least)
    return lambda evidence, cause, effect: cause.severity == "cost" and takes(evidence, cause, effect)


# In order: the first cause that holds is the explanation.
RELATIONS = (
    Relation("graph-retained", HOST_GROWTH, lambda _, cause, __: cause.severity == "wrong"),
    Relation("graph-retained", "device-growth", lambda _, cause, __: cause.severity == "wrong"),
    Relation("shape-cache-growth", HOST_GROWTH, _cached(HOST_GROWTH)),
    Relation("shape-cache-growth", "device-growth", _cached("device-growth")),
    Relation("overflow-storm", "recompiling", _overflowed),
    Relation("overflow-storm", "shape-cache-growth", _compiled),
    Relation("recompiling", "shape-cache-growth", _compiled),
    # Positions that are not numbers equal nothing, so ASE's cache takes the atoms for changed.
    Relation("non-finite", "evaluations-per-step", lambda *_: True),
    # Displaced atoms, and a cache that is left with them.
    Relation("numerical-forces", "evaluations-per-step", lambda *_: True),
    Relation("unchanged-atoms", "evaluations-per-step", _shares("share_of_unchanged_atoms")),
    Relation("evaluations-per-step", "time-outside", _made_calculators),
    Relation("gc-pauses", "periodic-calls", _shares("share_of_garbage_collection")),
    Relation("gc-pauses", "unexplained-jitter", _shares("share_with_a_collection")),
    Relation("gc-pauses", "latency-drift", _shares("share_of_garbage_collection")),
    Relation("neighbour-list", "periodic-calls", _shares("share_of_neighbour_lists")),
    Relation("throttling", "latency-drift", _hot),
    Relation("contention", "latency-drift", _shares("share_of_waiting")),
    Relation("oversubscription", "contention", _saturated),
    Relation("oversubscription", "unexplained-jitter", _saturated),
    Relation("contention", "unexplained-jitter", _shares("share_in_contention")),
    Relation("stall", "long-calls", _seconds(MOST)),
    Relation("long-calls", "unexplained-jitter", _seconds(MOST)),
    Relation("tiny-contraction-storm", "off-blas", _stormed(MOST)),
    Relation("tiny-contraction-storm", "bad-path", _stormed(MOST)),
    Relation("tiny-contraction-storm", "path-search", _stormed(MOST)),
    Relation("off-blas", "contraction-dominated", _seconds(0.3)),
    Relation("path-search", "contraction-dominated", _seconds(0.3)),
    Relation("bad-path", "contraction-dominated", _seconds(0.3)),
    Relation("tiny-contraction-storm", "contraction-dominated", _stormed(0.3)),
    Relation("conversion", "contraction-dominated", _seconds(0.3)),
)
