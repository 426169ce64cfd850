"""Rules on the use of ASE: the same geometry computed twice, several calls per step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown
from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of calls with no changes. Uncalibrated; each is exact evidence, and a logger that requests stress
# causes half of the calls to be such (ASE 3.29, measured).
UNCHANGED_SHARE = 0.05
# Calls per step: 1.05 in 20 steps of plain MD, 2 with NPTBerendsen (ASE 3.29, measured).
CALLS_PER_STEP = 1.5


NOT_COUNTED = "answers from the calculator's cache cannot be distinguished from calculations"


def _counts_cache_hits(evidence: Evidence) -> bool:
    """Return whether some calls may be cached answers; 0.1.0 did not record this for its lanes."""
    lanes = evidence.summary.journal.lanes.values()
    return any(each.seen_by == "get_property" and each.cache_hits_known is not True for each in lanes)


def unchanged_atoms(evidence: Evidence) -> Observation:
    """A calculation is repeated although the atoms have not changed."""
    calls, summary = evidence.calls, evidence.summary
    rows = in_order(calls, ~(calls.nested | calls.sliced))
    total = summary.evaluations.calls
    if _counts_cache_hits(evidence):
        return unknown(NOT_COUNTED)
    if total < FEWEST_FOR_MEDIAN:
        return unknown(f"fewer than {FEWEST_FOR_MEDIAN} calls")
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
        return clear(text, numbers, total)
    if asked:
        text += f", for {', '.join(asked)}"
    remedy = None
    if evidence.uses_jax and any("stress" in each for each in asked):
        remedy = (
            "Request stress before forces: in FeNNol the stress pass also computes forces, not vice versa."
        )
    return flagged(text, numbers=numbers, n=total, saving_ns=lost, remedy=remedy)


def _property_entries(evidence: Evidence, rows: np.ndarray) -> list[int]:
    entries: list[int] = np.unique(evidence.calls.properties[rows]).tolist()
    return [entry for entry in entries if entry >= 0]


def evaluations_per_step(evidence: Evidence) -> Observation:
    """An MD step needs more than one calculation."""
    phases = [each for each in evidence.summary.phases if each.phase.kind == "md" and each.speed is not None]
    calls = sum(each.calls for each in phases)
    steps = sum(each.speed.steps for each in phases if each.speed is not None)
    if calls and _counts_cache_hits(evidence):
        return unknown(NOT_COUNTED)
    if calls < FEWEST_FOR_MEDIAN or not steps:
        others = {each.phase.kind for each in evidence.summary.phases} - {"md"}
        if others and not phases:
            return clear("no MD: optimizers and bands need several calls per step")
        return unknown("no MD with a step counter, or it is too short")
    per_step = calls / steps
    drivers = sorted({each.phase.driver.rpartition(".")[2] for each in phases})
    numbers = {"per_step": per_step, "calls": calls, "steps": steps, "drivers": ", ".join(drivers)}
    text = f"{per_step:.2f} calculations per MD step ({', '.join(drivers)})"
    if per_step <= CALLS_PER_STEP:
        return clear(text, numbers, calls)
    breakdown = evidence.summary.breakdown
    inside = breakdown.of_kind("component") + breakdown.of_kind("calculator") if breakdown else 0
    saving = inside * (1 - 1 / per_step)
    remedy = None
    if any("Berendsen" in driver for driver in drivers):
        remedy = (
            "NPTBerendsen computes stress and forces separately; IsotropicMTKNPT needs one call per step."
        )
    return flagged(text, numbers=numbers, n=calls, saving_ns=saving, remedy=remedy)


RULES = (
    Rule(
        "unchanged-atoms",
        "cost",
        "Request all properties in one call, or let the calculator return energy, forces and stress.",
        "In the report, calculations per geometry is 1.",
        unchanged_atoms,
    ),
    Rule(
        "evaluations-per-step",
        "cost",
        "See unchanged-atoms; otherwise choose an integrator that needs one calculation per step.",
        "In the report, calculations per step is about 1.",
        evaluations_per_step,
    ),
)
