"""The time breakdown: rows that add up to the wall time exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.timing.driver_names import driver_name
from instrumented_calc.analysis.timing.time_shares import Breakdown, Share
from instrumented_calc.journal.vocabulary import FORCES_AND_STRESS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.analysis.timing.selection import Selection
    from instrumented_calc.journal.columns import Integers
    from instrumented_calc.journal.records import Lane, Phase


def component_groups(lanes: Iterable[Lane]) -> dict[str, str]:
    """Return the groups of components; a name with different groups in different lanes has none."""
    groups: dict[str, str] = {}
    for lane in lanes:
        for name, group in (lane.groups or {}).items():
            groups[name] = group if groups.get(name, group) == group else ""
    return {name: group for name, group in groups.items() if group}


def break_down(
    selection: Selection,
    phases: list[Phase],
    groups: dict[str, str] | None = None,
    *,
    observers_known: bool = False,
) -> Breakdown | None:
    """Split the wall time of a run or a phase.

    Calls that overlap count once: the calculator gets the time in which any call ran, divided in proportion
    to the calls' own times. Nested calls are part of their parents.

    Args:
        selection: The calls of the run or phase.
        phases: The drivers that requested the calls.
        groups: Groups of the components, by name.
        observers_known: Whether absent times of observers mean that there was none to call.

    Returns:
        The breakdown, or None if there are no calls.
    """
    measured = _calculator_time(selection)
    if measured is None:
        return None
    wall, calculator, spent, estimated = measured
    groups = groups or {}
    inside = _calculator_parts(selection, calculator, spent, groups)
    outside = _outside_parts(selection, wall - calculator, phases, observers_known=observers_known)
    concurrency = max(spent / calculator, 1.0) if calculator else 1.0
    apart = {"energy", "forces", FORCES_AND_STRESS}
    one_pass = bool(groups) and not apart & set(groups.values())
    return Breakdown(wall, (*inside, *outside), concurrency, estimated, one_pass)


def _calculator_time(selection: Selection) -> tuple[int, int, int, bool] | None:
    """Return wall time, time with a call running, sum of durations, and whether these are estimates."""
    rows, slices = selection.cover, selection.slices
    edges = selection.edges_ns
    if edges is None:
        return None
    wall = edges[1] - edges[0]
    spent = union = 0
    if rows is not None:
        spent, union = rows.sum_ns, rows.union_ns
    thinned = sum(each.wall_ns for each in slices)
    spent += thinned
    return wall, min(union + thinned, wall), spent, bool(thinned) and union + thinned > wall


def _calculator_parts(
    selection: Selection, calculator: int, spent: int, groups: dict[str, str]
) -> list[Share]:
    times = _component_times(selection)
    unsplit = _unsplit_time(selection) if times else 0
    known = sum(times.values()) + unsplit
    # Overlap shrinks all parts by the same factor; without overlap the factor is exactly 1.
    whole = max(spent, known)
    scaled = {
        name: time * calculator // whole if whole else 0
        for name, time in sorted(times.items(), key=lambda item: -item[1])
    }
    parts = [Share(name, "component", time, groups.get(name)) for name, time in scaled.items()]
    if unsplit:
        unsplit = unsplit * calculator // whole
        parts.append(Share("calls without components", "calculator", unsplit))
    rest = calculator - sum(part.wall_ns for part in parts)
    parts.append(Share("other in the calculator" if times else "calculator", "calculator", rest))
    return parts


def _component_times(selection: Selection) -> dict[str, int]:
    calls, rows = selection.calls, selection.rows
    everything = len(rows) == len(calls)
    times: dict[str, int] = {}
    for name, column in calls.components.items():
        chosen = column if everything else column[rows]
        if time := int(chosen.sum(dtype=np.int64)):
            times[name] = time
    for each in selection.slices:
        for name, time in (each.components or {}).items():
            times[name] = times.get(name, 0) + time
    return times


def _unsplit_time(selection: Selection) -> int:
    calls, rows = selection.calls, selection.rows
    alone: Integers = rows[~calls.split[rows]]
    thinned = sum(each.wall_ns for each in selection.slices if not each.components)
    return int(calls.wall_ns[alone].sum(dtype=np.int64)) + thinned


def _outside_parts(
    selection: Selection, outside: int, phases: list[Phase], *, observers_known: bool
) -> list[Share]:
    own = selection.growth("self_ns")
    observers = _observer_time(selection)
    profiler = min(own or 0, outside)
    watching = min(observers or 0, outside - profiler)
    name = driver_name(phases)
    if observers is None and phases and not observers_known:
        name += " and observers"
    parts = [] if observers is None else [Share("observers", "observers", watching)]
    rest = outside - profiler - watching
    # The recorder's thread also works beside calls: of a run that is over at once, its time may exceed this.
    if rest or own is None or own <= outside:
        parts.append(Share(name, "outside", rest))
    if own is not None:
        parts.append(Share("profiler", "profiler", profiler))
    return parts


def _observer_time(selection: Selection) -> int | None:
    """Return the observer time within the wall time, without the first row's value, which precedes it."""
    sparse = selection.calls.sparse.get("observers_ns")
    thinned = [each.observers_ns for each in selection.slices if each.observers_ns]
    times = [time for time in thinned if isinstance(time, int)]
    if sparse is None:
        return sum(times) if times else None
    inside = selection.mask[sparse.rows] & ~selection.calls.sliced[sparse.rows]
    if selection.first_row is not None:
        inside &= sparse.rows != selection.first_row
    return int(sparse.values[inside].sum(dtype=np.int64)) + sum(times)
