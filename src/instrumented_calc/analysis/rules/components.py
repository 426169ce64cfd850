"""The rule on the neighbour list, a part of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.rules.vocabulary import LIST_NAME, NEIGHBOURS
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of the wall time. Uncalibrated; ACEsuit/mace#1296 is above 50 %.
LIST_ON_GPU, LIST_ON_CPU = 0.25, 0.40
# FeNNol's list took 60 % of a call with 375 atoms and 33 % with 81. The user cannot choose another.
LIST_IN_JAX = 0.40
ON_HOST = (
    "Use a faster list (vesin, matscipy), or one with a skin, which is rebuilt only when atoms have moved."
)
IN_ASE = "This potential of ASE builds the list itself: only another calculator has a faster one."


def neighbour_list(evidence: Evidence) -> Observation:
    """Building the neighbour list takes a large part of a step."""
    breakdown = evidence.summary.breakdown
    if breakdown is None or not breakdown.wall_ns or evidence.summary.evaluations.calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls")
    # Lists of ASE and others are found when they are first used, so no lane states their group.
    timed = [part for part in breakdown.parts if part.group == NEIGHBOURS or part.name == LIST_NAME]
    spent = sum(part.wall_ns for part in timed)
    if not timed:
        return unknown("no neighbour list was timed", Need("integration", "the part that builds the list"))
    if evidence.on_gpu and not evidence.uses_jax:
        busy = evidence.summary.device
        if busy is None:
            missing = "the model runs asynchronously: host times of components are not conclusive"
            return unknown(missing, Need("integration", "device times of the parts"))
    share = spent / breakdown.wall_ns
    calculator = breakdown.of_kind("component") + breakdown.of_kind("calculator")
    numbers = {
        "share_of_wall": share,
        "share_of_calculator": spent / calculator if calculator else None,
        "seconds": spent / 1e9,
    }
    text = f"the neighbour list takes {percentage(share)} of the wall time"
    jax = evidence.uses_jax
    limit = LIST_IN_JAX if jax else LIST_ON_GPU if evidence.on_gpu else LIST_ON_CPU
    measured = spent / calculator if jax and calculator else share
    if measured < limit:
        return clear(text, evidence.all_calls, numbers, evidence.summary.evaluations.calls)
    if evidence.potentials_of_ase:
        return flagged(
            text, numbers=numbers, n=evidence.summary.evaluations.calls, severity="info", remedy=IN_ASE
        )
    remedy = None if evidence.on_gpu else ON_HOST
    if jax:
        remedy = (
            "FeNNol's ASE calculator builds the full list at every step, without a skin: its own MD program"
            " keeps one. Compare the list on the host with the one on the device (gpu_preprocessing)."
        )
    return flagged(
        text,
        numbers=numbers,
        n=evidence.summary.evaluations.calls,
        saving_ns=float(spent),
        remedy=remedy,
    )


RULES = (
    Rule(
        "neighbour-list",
        "cost",
        "Use a list on the device, a faster one (vesin, matscipy), or one with a skin.",
        "Time the list alone on the same atoms.",
        neighbour_list,
        trial="other-neighbour-list",
    ),
)
