"""Rules on the parts of a step: the neighbour list, and the time outside the calculator."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown
from instrumented_calc.analysis.timing.latency import in_order, median_ns

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of the wall time. Uncalibrated; ACEsuit/mace#1296 is above 50 %.
LIST_ON_GPU, LIST_ON_CPU = 0.25, 0.40
# FeNNol's list took 60 % of a call with 375 atoms and 33 % with 81. The user cannot choose another.
LIST_IN_JAX = 0.40
NEIGHBOURS, LIST_NAME = "neighbours", "neighbour list"
# Time outside the calculator. Uncalibrated; 27 ms per step, 26 of them in the model, is healthy
# (i-pi/i-pi#570).
OUTSIDE_SHARE = 0.2
# Time an ASE integrator needs per step, which cannot be saved: measured 0.1 to 0.2 ms with 32 atoms on a
# slow machine, plus 0.1 us per further atom. Uncalibrated.
INTEGRATOR_NS, INTEGRATOR_NS_PER_ATOM = 300_000, 100
# A gap counts as long above 3, 10 or 30 medians; above 100 it is a scheduler pause. Uncalibrated. On a busy
# machine other gaps are also long, at random: a writer's gaps are found among the longer ones.
LONG_GAPS, QUEUE_PAUSE = (3.0, 10.0, 30.0), 100.0
# Share of the distances between long gaps that must be equal to name a period. Uncalibrated.
SAME_PERIOD, FEWEST_PERIODS = 0.7, 5


def neighbour_list(evidence: Evidence) -> Observation:
    """Building the neighbour list takes a large part of a step."""
    breakdown = evidence.summary.breakdown
    if breakdown is None or not breakdown.wall_ns or evidence.summary.evaluations.calls < FEWEST_FOR_MEDIAN:
        return unknown(f"fewer than {FEWEST_FOR_MEDIAN} calls")
    # Lists of ASE and others are found when they are first used, so no lane states their group.
    timed = [part for part in breakdown.parts if part.group == NEIGHBOURS or part.name == LIST_NAME]
    spent = sum(part.wall_ns for part in timed)
    if not timed:
        return unknown("no neighbour list was timed")
    if evidence.on_gpu and not evidence.uses_jax:
        busy = evidence.summary.device
        if busy is None:
            return unknown("the model runs asynchronously: host times of components are not conclusive")
    share = spent / breakdown.wall_ns
    calculator = breakdown.of_kind("component") + breakdown.of_kind("calculator")
    numbers = {
        "share_of_wall": share,
        "share_of_calculator": spent / calculator if calculator else None,
        "seconds": spent / 1e9,
    }
    text = f"the neighbour list takes {100 * share:.3g} % of the wall time"
    jax = evidence.uses_jax
    limit = LIST_IN_JAX if jax else LIST_ON_GPU if evidence.on_gpu else LIST_ON_CPU
    measured = spent / calculator if jax and calculator else share
    if measured < limit:
        return clear(text, numbers, evidence.summary.evaluations.calls)
    remedy = None
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
    """Much time passes between calls: integrator, observers, files."""
    summary, calls = evidence.summary, evidence.calls
    breakdown = summary.breakdown
    if breakdown is None or not breakdown.wall_ns or summary.evaluations.calls < FEWEST_FOR_MEDIAN:
        return unknown(f"fewer than {FEWEST_FOR_MEDIAN} calls")
    outside = breakdown.of_kind("outside") + breakdown.of_kind("observers")
    rows = in_order(calls, ~(calls.nested | calls.sliced) & (calls.gap_ns >= 0))
    gaps = calls.gap_ns[rows]
    usual = median_ns(gaps) if len(gaps) else 0.0
    step = summary.wall_ns / summary.evaluations.calls if summary.wall_ns else 0.0
    paused = int(gaps.sum(dtype=np.int64, where=gaps > QUEUE_PAUSE * max(usual, step)))
    wall = breakdown.wall_ns - paused
    share = max(outside - paused, 0) / wall if wall > 0 else 0.0
    period, periodic = _period(rows, gaps, usual, QUEUE_PAUSE * max(usual, step))
    numbers = {
        "share_of_wall": share,
        "seconds": (outside - paused) / 1e9,
        "pauses_left_out_s": paused / 1e9,
        "median_gap_ms": usual / 1e6,
        "period_calls": period,
        "periodic_seconds": periodic / 1e9 if period else None,
        "observers_share": breakdown.of_kind("observers") / breakdown.wall_ns,
    }
    text = f"{100 * share:.3g} % of the wall time is outside the calculator"
    if period:
        text += f", {100 * periodic / wall:.2g} % in long gaps every {period} calls: an observer or a writer"
    if share < OUTSIDE_SHARE:
        return clear(text, numbers, len(rows))
    atoms = max(int(calls.n_atoms.max(initial=0)), 0)
    needed = summary.evaluations.calls * (INTEGRATOR_NS + INTEGRATOR_NS_PER_ATOM * atoms)
    saving = float(periodic) if period else max(float(outside - paused) - needed, 0.0)
    if not saving:
        text += ": normal for an integrator with such a fast calculator"
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=saving)


def _period(rows: np.ndarray, gaps: np.ndarray, usual: float, pause: float) -> tuple[int | None, int]:
    """Return the period of long gaps in calls, and the time of these gaps beyond the usual gap."""
    for factor in LONG_GAPS:
        long = np.flatnonzero((gaps > factor * usual) & (gaps <= pause))
        if len(long) <= FEWEST_PERIODS:
            break
        distances = np.diff(rows[long]).tolist()
        period, often = Counter(distances).most_common(1)[0]
        if often >= SAME_PERIOD * len(distances) and period >= 2:  # noqa: PLR2004 - every call is not a period
            return period, int(gaps[long].sum(dtype=np.int64) - len(long) * usual)
    return None, 0


RULES = (
    Rule(
        "neighbour-list",
        "cost",
        "Use a faster list (vesin, matscipy, NVIDIA's), a list on the device, or a list with a skin.",
        "Time the list alone on the same atoms.",
        neighbour_list,
    ),
    Rule(
        "time-outside",
        "cost",
        "Write less often or in a cheaper format; time observers with recording(calc).run.attach(dyn).",
        "Run without observers and compare.",
        time_outside,
    ),
)
