"""The rule on the use of ASE's cache: the same geometry computed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of calls with no changes. Uncalibrated; each is exact evidence, and a logger that requests stress
# causes half of the calls to be such (ASE 3.29, measured).
UNCHANGED_SHARE = 0.05


NOT_COUNTED = "answers from the calculator's cache cannot be distinguished from calculations"


def counts_cache_hits(evidence: Evidence) -> bool:
    """Return whether some calls may be cached answers; 0.1.0 did not record this for its lanes.

    Args:
        evidence: The evidence of the run.
    """
    lanes = evidence.summary.journal.lanes.values()
    return any(each.seen_by == "get_property" and each.cache_hits_known is not True for each in lanes)


def unchanged_atoms(evidence: Evidence) -> Observation:
    """A calculation is repeated although the atoms have not changed."""
    calls, summary = evidence.calls, evidence.summary
    rows = in_order(calls, ~(calls.nested | calls.sliced))
    total = summary.evaluations.calls
    if counts_cache_hits(evidence):
        return unknown(NOT_COUNTED)
    if total < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls", total)
    if bool((calls.changes[rows] < 0).any()) and not summary.journal.slices:
        return unknown("the changes were not passed to the calculator")
    empty = calls.change_sets.index(()) if () in calls.change_sets else None
    repeats = rows[calls.changes[rows] == empty] if empty is not None else rows[:0]
    known = len(repeats) + sum(each.unchanged for each in summary.journal.slices)
    share = known / total
    lost = float(calls.wall_ns[repeats].sum(dtype=np.int64))
    lost *= known / len(repeats) if len(repeats) else 1
    asked = sorted({"+".join(calls.property_sets[entry]) for entry in _property_entries(evidence, repeats)})
    numbers = {"calls": known, "share_of_calls": share, "asked_for": ", ".join(asked)}
    text = f"{known:,} of {total:,} calls recomputed the previous geometry"
    if share < UNCHANGED_SHARE:
        return clear(text, evidence.all_calls, numbers, total)
    if asked:
        text += f", for {', '.join(asked)}"
    steps = summary.speed.steps if summary.speed else 0
    if steps and known:
        often = max(round(steps / known), 1)
        text += ", in each step" if often == 1 else f", about every {often:,} steps"
    remedy = None
    if evidence.uses_jax and any("stress" in each for each in asked):
        remedy = (
            "Request stress before forces: in FeNNol the stress pass also computes forces, not vice versa."
        )
    elif asked == ["stress"]:
        remedy = "A logger, an observer or a barostat asks for the stress after the forces: "
        remedy += "let the calculator return both in one calculation."
    return flagged(text, numbers=numbers, n=total, saving_ns=lost, remedy=remedy)


def _property_entries(evidence: Evidence, rows: np.ndarray) -> list[int]:
    entries: list[int] = np.unique(evidence.calls.properties[rows]).tolist()
    return [entry for entry in entries if entry >= 0]


RULES = (
    Rule(
        "unchanged-atoms",
        "cost",
        "Request all properties in one call, or let the calculator return energy, forces and stress.",
        "In the report, calculations per geometry is 1.",
        unchanged_atoms,
        trial="all-properties-at-once",
        saving_kind="about",
        region="calls",
    ),
)
