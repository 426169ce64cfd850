"""Rules on the parts of a step: the neighbour list, and the time outside the calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.driver_advice import outside_advice
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.rules.vocabulary import LIST_NAME, NEIGHBOURS
from instrumented_calc.analysis.statistics.period import find_period
from instrumented_calc.analysis.timing.latency import in_order, median_ns
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of the wall time. Uncalibrated; ACEsuit/mace#1296 is above 50 %.
LIST_ON_GPU, LIST_ON_CPU = 0.25, 0.40
# FeNNol's list took 60 % of a call with 375 atoms and 33 % with 81. The user cannot choose another.
LIST_IN_JAX = 0.40
# Time outside the calculator. Uncalibrated; 27 ms per step, 26 of them in the model, is healthy
# (i-pi/i-pi#570).
OUTSIDE_SHARE = 0.2
ON_HOST = (
    "Use a faster list (vesin, matscipy), or one with a skin, which is rebuilt only when atoms have moved."
)
IN_ASE = "This potential of ASE builds the list itself: only another calculator has a faster one."
# Time that an ASE integrator or optimizer needs per step, which cannot be saved: measured 0.1 to 0.2 ms with
# 32 atoms on a slow machine for the first, and 0.9 and 1.5 ms on a busy one, plus 0.1 us per further atom.
INTEGRATOR_NS, OPTIMIZER_NS, INTEGRATOR_NS_PER_ATOM = 900_000, 1_600_000, 100
# A gap above 100 medians is a scheduler pause. Uncalibrated.
QUEUE_PAUSE = 100.0
# Share of the wall time in long gaps from which their period is named, and from which they are a finding even
# if little other time is outside. Uncalibrated.
WORTH_A_PERIOD, WORTH_NAMING = 0.01, 0.1


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


def time_outside(evidence: Evidence) -> Observation:
    """Much time passes between calls: in the driver, in observers, in files."""
    summary, calls = evidence.summary, evidence.calls
    breakdown = summary.breakdown
    if breakdown is None or not breakdown.wall_ns or summary.evaluations.calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls")
    outside = breakdown.of_kind("outside") + breakdown.of_kind("observers")
    rows = in_order(calls, ~(calls.nested | calls.sliced) & (calls.gap_ns >= 0))
    gaps = calls.gap_ns[rows]
    profiled = calls.profiled[rows]
    if profiled.any():  # gaps that the profiler made longer are neither pauses nor periodic
        gaps = np.where(profiled, int(median_ns(gaps)), gaps)
    usual = median_ns(gaps) if len(gaps) else 0.0
    step = summary.wall_ns / summary.evaluations.calls if summary.wall_ns else 0.0
    pause = QUEUE_PAUSE * max(usual, step)
    paused = int(gaps.sum(dtype=np.int64, where=gaps > pause))
    wall = breakdown.wall_ns - paused
    share = max(outside - paused, 0) / wall if wall > 0 else 0.0
    period = find_period(np.arange(len(rows)), np.where(gaps > pause, 0, gaps).astype(np.float64), usual)
    periodic = period.excess if period and period.excess >= WORTH_A_PERIOD * wall else 0.0
    numbers = {
        "share_of_wall": share,
        "seconds": (outside - paused) / 1e9,
        "pauses_left_out_s": paused / 1e9,
        "median_gap_ms": usual / 1e6,
        "period_calls": period.length if period and periodic else None,
        "periodic_seconds": periodic / 1e9 if periodic else None,
        "observers_share": breakdown.of_kind("observers") / breakdown.wall_ns,
    }
    text = f"{percentage(share)} of the wall time is outside the calculator"
    if period and periodic:
        text += f", {percentage(periodic / wall)} in long gaps every {period.length} calls"
    if share < OUTSIDE_SHARE and not (periodic and periodic >= WORTH_NAMING * wall):
        return clear(text, evidence.part_of_calls(len(rows)), numbers, len(rows))
    atoms = max(int(calls.n_atoms.max(initial=0)), 0)
    relaxing = any(each.phase.kind == "optimizer" for each in summary.phases)
    driver = OPTIMIZER_NS if relaxing else INTEGRATOR_NS
    needed = summary.evaluations.calls * (driver + INTEGRATOR_NS_PER_ATOM * atoms)
    # Where other programs took the processor, only a part of this was needed, and long gaps may be theirs.
    had = evidence.had_processor
    spent = float(outside - paused) if had == 1 else had * min(float(outside - paused), usual * len(rows))
    saving = periodic or max(spent - needed, 0.0)
    if not saving:
        text += ": normal for an integrator with such a fast calculator"
    remedy, trial = outside_advice(evidence, periodic=bool(periodic))
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=saving, remedy=remedy, trial=trial)


RULES = (
    Rule(
        "neighbour-list",
        "cost",
        "Use a list on the device, a faster one (vesin, matscipy), or one with a skin.",
        "Time the list alone on the same atoms.",
        neighbour_list,
        trial="other-neighbour-list",
    ),
    Rule(
        "time-outside",
        "cost",
        "Look at what the program does between calls.",
        "The share of the wall time outside the calculator falls.",
        time_outside,
        region="outside",
    ),
)
