"""Which step of its driver each call belongs to.

A row states how many steps the driver had completed when the call began. People count differently: step 40 is
the fortieth, the frame that ASE writes as number 40, and 0 is the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls, Integers, Mask
    from instrumented_calc.journal.reader import Journal


def number_steps(journal: Journal) -> Integers:
    """Return the step that each call belongs to, -1 if it is unknown.

    An optimizer calculates after each step, so that its call belongs to the last completed one. MD calculates
    within a step, so that its call belongs to the next, with two exceptions: the first forces of a run are
    those of its start, and a calculation of unchanged atoms belongs to the same step as the one before it.

    Args:
        journal: The run.
    """
    calls = journal.calls
    numbers: Integers = calls.step.copy()
    driven = [number for number, phase in journal.phases.items() if phase.kind == "md"]
    md = np.isin(calls.phase, driven) & (numbers >= 0)
    if not md.any():
        return numbers
    rows = in_order(calls, md & ~calls.nested)
    if len(driven) > 1 or len(journal.lanes) > 1:
        rows = rows[np.lexsort((calls.lane[rows], calls.phase[rows]))]  # stable: in order within each
    done = numbers[rows]
    numbers[md] += 1
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (np.diff(calls.phase[rows]) != 0) | (np.diff(calls.lane[rows]) != 0)
    same_step = np.zeros(len(rows), np.bool_)  # as the next call of the same driver and calculator
    same_step[:-1] = (np.diff(done) == 0) & ~begins[1:]
    alone = begins.copy()
    alone[:-1] &= begins[1:]
    numbers[rows[begins & (same_step | alone)]] -= 1
    _follow_repeats(numbers, rows, done, _unchanged(calls, rows) & ~begins)
    _stop_at_the_end(journal, numbers)
    return numbers


def _stop_at_the_end(journal: Journal, numbers: Integers) -> None:
    """Let a call after the last step of a run belong to that: positions that are NaN equal no others."""
    calls = journal.calls
    for number, phase in journal.phases.items():
        until = phase.until_step
        if phase.kind != "md" or not isinstance(until, int):
            continue
        ours = calls.phase == number
        if int(calls.step.max(where=ours, initial=-1)) == until:  # beyond: it was run again
            numbers[ours & (calls.step == until)] = until


def _unchanged(calls: Calls, rows: Integers) -> Mask:
    """Return which calls calculated the geometry of the call before."""
    if () not in calls.change_sets:
        return np.zeros(len(rows), np.bool_)
    found: Mask = calls.changes[rows] == calls.change_sets.index(())
    return found


def _follow_repeats(numbers: Integers, rows: Integers, done: Integers, repeated: Mask) -> None:
    """Give each repeated calculation the number of the one before it, if no row between them is missing."""
    if not repeated.any():
        return
    near = repeated.copy()
    near[1:] &= np.diff(done) <= 1
    numbers[rows[repeated & ~near]] -= 1  # rows between them were thinned
    origin = np.maximum.accumulate(np.where(near, 0, np.arange(len(rows))))
    numbers[rows[near]] = numbers[rows[origin[near]]]
