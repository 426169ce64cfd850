"""Rules on how ASE is used: the same geometry computed twice, several calls a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown
from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of calls for which nothing had changed. Judgement, to be calibrated; each is exact evidence, and a
# logger that asks for stress makes half of the calls such (ASE 3.29, measured).
UNCHANGED_SHARE = 0.05
# Calls per step: 1.05 in 20 steps of plain MD, 2 with NPTBerendsen (ASE 3.29, measured).
CALLS_PER_STEP = 1.5


NOT_COUNTED = "answers from the calculator's cache cannot be told from calculations"


def _counts_cache_hits(evidence: Evidence) -> bool:
    """Tell whether some calls may be answers from a cache; lanes of 0.1.0 did not say."""
    lanes = evidence.summary.journal.lanes.values()
    return any(each.seen_by == "get_property" and each.cache_hits_known is not True for each in lanes)


def unchanged_atoms(evidence: Evidence) -> Observation:
    """A1: a calculation is repeated although nothing has moved."""
    calls, summary = evidence.calls, evidence.summary
    rows = in_order(calls, ~(calls.nested | calls.sliced))
    total = summary.evaluations.calls
    if _counts_cache_hits(evidence):
        return unknown(NOT_COUNTED)
    if total < FEWEST_FOR_MEDIAN:
        return unknown(f"fewer than {FEWEST_FOR_MEDIAN} calls")
    if bool((calls.changes[rows] < 0).any()) and not summary.journal.slices:
        return unknown("the calculator was not told what had changed")
    empty = calls.change_sets.index(()) if () in calls.change_sets else None
    repeats = rows[calls.changes[rows] == empty] if empty is not None else rows[:0]
    known = len(repeats) + sum(each.unchanged for each in summary.journal.slices)
    share = known / total
    lost = float(calls.wall_ns[repeats].sum(dtype=np.int64))
    lost *= known / len(repeats) if len(repeats) else 1
    asked = sorted({"+".join(calls.property_sets[entry]) for entry in _property_entries(evidence, repeats)})
    numbers = {"calls": known, "share_of_calls": share, "asked_for": ", ".join(asked)}
    text = f"{known:,} of {total:,} calls computed a geometry that had just been computed"
    if share < UNCHANGED_SHARE:
        return clear(text, numbers, total)
    if asked:
        text += f", for {', '.join(asked)}"
    remedy = None
    if evidence.uses_jax and any("stress" in each for each in asked):
        remedy = "Ask for stress before forces: with FeNNol the stress pass gives both, the other order none."
    return flagged(text, numbers=numbers, n=total, saving_ns=lost, remedy=remedy)


def _property_entries(evidence: Evidence, rows: np.ndarray) -> list[int]:
    entries: list[int] = np.unique(evidence.calls.properties[rows]).tolist()
    return [entry for entry in entries if entry >= 0]


def evaluations_per_step(evidence: Evidence) -> Observation:
    """A2: an MD step needs more than one calculation."""
    phases = [each for each in evidence.summary.phases if each.phase.kind == "md" and each.speed is not None]
    calls = sum(each.calls for each in phases)
    steps = sum(each.speed.steps for each in phases if each.speed is not None)
    if calls and _counts_cache_hits(evidence):
        return unknown(NOT_COUNTED)
    if calls < FEWEST_FOR_MEDIAN or not steps:
        others = {each.phase.kind for each in evidence.summary.phases} - {"md"}
        if others and not phases:
            return clear("no MD: optimizers and bands need several calls a step")
        return unknown("no MD with a step counter, or too short a one")
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
        remedy = "NPTBerendsen computes stress and forces apart; IsotropicMTKNPT needs one call a step."
    return flagged(text, numbers=numbers, n=calls, saving_ns=saving, remedy=remedy)


RULES = (
    Rule(
        "unchanged-atoms",
        "cost",
        "Ask for everything at once, or let the calculator return all it can: energy, forces and stress.",
        "calculations per geometry in the report is 1.",
        unchanged_atoms,
    ),
    Rule(
        "evaluations-per-step",
        "cost",
        "See unchanged-atoms; otherwise choose an integrator that needs one calculation a step.",
        "calculations per step in the report is about 1.",
        evaluations_per_step,
    ),
)
