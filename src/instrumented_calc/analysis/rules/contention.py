"""The rule on other programs that take the processors of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import COMPETING, WAITED_MUCH
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.analysis.rules.processors import threads_used
from instrumented_calc.analysis.timing.processor_wait import wait_spans
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.analysis.timing.stretches import Floats, Stretches
    from instrumented_calc.journal.columns import Mask

FEWEST_STRETCHES = 10
SHORTEST_SPAN_NS = 100_000_000  # between two readings
# Share of the wall time with a processor below which a run that is preempted throughout waits. Uncalibrated.
STARVED = 0.7
# Share of the wall time without CPU time above which a stretch is disturbed, share of the whole run that is
# worth a finding, and least share of undisturbed stretches. Uncalibrated.
WAITING, LOST_SHARE, LEAST_QUIET = 0.15, 0.05, 0.1
ALONE = "Run alone on the machine, or leave a processor to the other programs; do not compare these times."


def contention(evidence: Evidence) -> Observation:
    """Other programs take the processors of the run for some time."""
    measured = _measured(evidence)
    if measured is not None:
        return measured
    found = evidence.stretches
    if found is None or len(found) < FEWEST_STRETCHES:
        need = Need("calls", "samples of the CPU time", FEWEST_STRETCHES)
        return unknown("the CPU time was sampled too rarely", need, n=len(found or ()))
    if found.preemptions is None:
        return unknown("preemptions are not recorded on this system")
    competing = found.preemptions > COMPETING
    if competing.mean() > 1 - LEAST_QUIET:
        return _throughout(evidence, found)
    lost = np.where(competing, _waiting(found, ~competing), 0.0)
    disturbed = lost > WAITING * found.wall_ns
    wall = found.wall_ns * found.calls
    waited = float((lost * found.calls)[disturbed].sum())
    share = waited / float(wall.sum())
    number = int(found.calls.sum())
    numbers = {
        "share_of_wall": share,
        "seconds": waited / 1e9,
        "processors_busy": float((found.cpu_ns * found.calls).sum() / wall.sum()),
        "preemptions_per_s": float((found.preemptions * wall).sum() / wall.sum()),
    }
    if share < LOST_SHARE:
        text = f"waiting for a processor takes {percentage(share)} of the wall time"
        return clear(text, evidence.part_of_calls(number), numbers, number)
    at = np.flatnonzero(disturbed)
    first, last = int(found.first[at[0]]), int(found.last[at[-1]])
    numbers |= {"first_call": int(evidence.calls.index[first]), "last_call": int(evidence.calls.index[last])}
    rate = float((found.preemptions * wall)[disturbed].sum() / wall[disturbed].sum())
    text = f"{_span(evidence, first, last)} other programs took processors: waiting for one takes"
    text += f" {percentage(share)} of the wall time, with {figures(rate)} preemptions per second"
    return flagged(text, numbers=numbers, n=number, saving_ns=waited, remedy=_remedy(evidence))


def _measured(evidence: Evidence) -> Observation | None:
    """Flag a run whose waiting for a processor the system has measured; None if it was short or unknown."""
    share = evidence.summary.processor_wait
    spans = [
        each
        for each in wait_spans(evidence.summary.journal.machines)
        if each.share > WAITED_MUCH and each.end_ns - each.begin_ns >= SHORTEST_SPAN_NS
    ]
    waited = sum(each.share * (each.end_ns - each.begin_ns) for each in spans)
    if share is None or not spans or share < LOST_SHARE:
        return None
    starts = evidence.calls.start_ns
    edges = np.searchsorted(starts, [spans[0].begin_ns, spans[-1].end_ns])
    first, last = np.clip(edges, 0, len(starts) - 1).tolist()
    numbers = {
        "share_of_wall": share,
        "seconds": waited / 1e9,
        "first_call": int(evidence.calls.index[first]),
        "last_call": int(evidence.calls.index[last]),
    }
    text = f"{_span(evidence, first, last)} the calculating thread was ready, but others had the processors:"
    text += f" it waited for one for {percentage(share)} of the time"
    return flagged(text, numbers=numbers, n=len(spans), remedy=_remedy(evidence))


def _throughout(evidence: Evidence, found: Stretches) -> Observation:
    """Judge a run that was preempted from start to end, without an undisturbed part to compare with."""
    number = int(found.calls.sum())
    had = evidence.had_processor
    rate = 0.0 if found.preemptions is None else float(np.mean(found.preemptions))
    numbers = {"processors_busy": had, "preemptions_per_s": rate}
    text = f"the run was preempted {figures(rate)} times per second throughout,"
    text += f" and had a processor for {percentage(had)} of the wall time"
    if had >= STARVED:
        return clear(text, evidence.part_of_calls(number), numbers, number)
    waiting = f"{text}: it waited for one, or slept"
    return flagged(waiting, numbers=numbers, n=number, remedy=_remedy(evidence))


def _remedy(evidence: Evidence) -> str | None:
    """Return what a run with several threads can do besides; None for the usual remedy.

    A pool is as fast as its slowest thread, so one that another program displaces holds up the others: a band
    whose optimizer diagonalises matrices took 1.7 s per step beside two programs, 0.13 s with one thread.
    """
    most = max(threads_used(evidence).values(), default=1)
    if most <= 1:
        return None
    return (
        f"{ALONE} Its pools have {most} threads, which wait for each other there: beside other programs,"
        " OMP_NUM_THREADS=1 may be faster; `instrumented-calc try` measures it."
    )


def _waiting(found: Stretches, quiet: Mask) -> Floats:
    """Return the wall time per call beyond that of quiet stretches and not spent computing more, ns."""
    more_wall = found.wall_ns - np.median(found.wall_ns[quiet])
    more_cpu = found.cpu_ns - np.median(found.cpu_ns[quiet])
    waiting: Floats = np.maximum(more_wall - np.maximum(more_cpu, 0.0), 0.0)
    return waiting


def _span(evidence: Evidence, first: int, last: int) -> str:
    steps = evidence.summary.steps
    if steps[first] >= 0 and steps[last] >= 0:
        return f"from step {steps[first]:,} to {steps[last]:,}"
    return f"from call {evidence.calls.index[first]:,} to {evidence.calls.index[last]:,}"


RULES = (
    Rule(
        "contention",
        "info",
        ALONE,
        "The processors are idle before the run starts, and calls then take their usual time.",
        contention,
        trial="idle-machine",
        region="anywhere",
    ),
)
