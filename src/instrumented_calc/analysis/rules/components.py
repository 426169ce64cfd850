"""The rule on the neighbour list, a part of a step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.rules.vocabulary import LIST_NAME, NEIGHBOURS
from instrumented_calc.journal.vocabulary import CALCULATOR
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.places import OwnFunction, SampledPlace
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of the wall time. Uncalibrated; ACEsuit/mace#1296 is above 50 %.
LIST_ON_GPU, LIST_ON_CPU = 0.25, 0.40
# FeNNol's list took 60 % of a call with 375 atoms and 33 % with 81. The user cannot choose another.
LIST_IN_JAX = 0.40
LISTS = re.compile(r"neigh?bou?r|nblist|nlist|pair_?list|verlet_?list", re.IGNORECASE)
# Functions that use a list rather than build one: `energy_of_neighbours`.
USES_LIST = re.compile(
    r"energ|forc|stress|virial|potential|sum|mean|aver|featur|descript|messag|embed|conv|_of_|_over_|for_each",
    re.IGNORECASE,
)
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
        return _of_user(evidence) or unknown(
            "no neighbour list was timed", Need("integration", "the part that builds the list")
        )
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


def _of_user(evidence: Evidence) -> Observation | None:
    """Return the finding on a list in the user's own code, by the name of the function; else None."""
    summary = evidence.summary
    if summary.places is None or evidence.on_gpu:
        return None
    places = [place for part in summary.places.parts if part.part == CALCULATOR for place in part.places]
    named: list[SampledPlace | OwnFunction] = [*summary.places.own, *places]
    found = [each for each in named if each.file and _builds_list(each.function)]
    largest = max(found, key=lambda each: each.estimate.share, default=None)
    if largest is None or largest.estimate.low < LIST_ON_CPU or summary.breakdown is None:
        return None
    estimate, unseen = largest.estimate, summary.places.unseen / summary.places.samples
    text = (
        f"the neighbour list takes about {percentage(estimate.share)} of the wall time, in"
        f" {largest.function} ({Path(largest.file).name}:{largest.line})"
    )
    return flagged(
        text,
        numbers={"share_of_wall": estimate.share},
        n=estimate.samples,
        saving_ns=min(estimate.high + unseen, 1.0) * summary.breakdown.wall_ns,
        remedy=ON_HOST,
    )


def _builds_list(function: str) -> bool:
    """Return whether a function says by its name, without that of its class, that it looks for neighbours."""
    name = function.rpartition(".")[2]
    return LISTS.search(name) is not None and USES_LIST.search(name) is None


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
