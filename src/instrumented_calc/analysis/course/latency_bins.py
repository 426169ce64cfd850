"""Latency and parts of the calls in each bin of a run: a result of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.weighted_median import weighted_median
from instrumented_calc.analysis.timing.latency import in_order, median_ns
from instrumented_calc.journal.records import bucket_middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from instrumented_calc.analysis.course.axis import Axis
    from instrumented_calc.journal.columns import Calls, Integers, Mask
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Slice

PARTS_SHOWN = 7
OTHER_PARTS = "other parts"
REST = "other in the calculator"
WHOLE = "calculator"


@dataclass(frozen=True, slots=True)
class LatencyBin:
    """The outermost successful calls between two positions, without traced and profiled ones.

    Attributes:
        first: First position.
        last: Last position.
        calls: Number of calls.
        min_ns: Shortest.
        median_ns: Median; accurate to 1.6 % if calls of the bin were thinned.
        max_ns: Longest.
        wall_ns: Sum of their durations.
        gap_ns: Sum of the times before them since the previous calls ended.
        gc_ns: Garbage collection in them.
        parts: Sums of the components' exclusive times.
    """

    first: int
    last: int
    calls: int
    min_ns: int
    median_ns: float
    max_ns: int
    wall_ns: int
    gap_ns: int
    gc_ns: int
    parts: dict[str, int]


def bin_latency(journal: Journal, axis: Axis) -> list[LatencyBin]:
    """Return the bins that have calls, in order.

    Args:
        journal: The journal.
        axis: The axis of the run.
    """
    calls = journal.calls
    names = _largest_parts(journal)
    counted = ~(calls.nested | calls.raised | calls.traced | calls.profiled | calls.sliced)
    rows = in_order(calls, counted).copy()
    groups = _groups(axis, rows)
    slices = _slices_by_bin(axis, journal.slices)
    collected = _collected(axis, calls, counted)
    found = []
    for number in sorted({*groups, *slices}):
        begin, end = groups.get(number, (0, 0))
        gc_ns = int(collected[number])
        found.append(_bin(calls, axis, number, rows[begin:end], slices.get(number, []), gc_ns, names))
    return [each for each in found if each is not None]


def part_names(bins: Sequence[LatencyBin]) -> list[str]:
    """Return the parts of some bins, those with the most time first, the rest last."""
    totals: dict[str, int] = {}
    for each in bins:
        for name, time in each.parts.items():
            totals[name] = totals.get(name, 0) + time
    last = {OTHER_PARTS: 1, REST: 2, WHOLE: 2}
    return sorted(totals, key=lambda name: (last.get(name, 0), -totals[name], name))


def _largest_parts(journal: Journal) -> list[str]:
    totals = {
        name: int(column.sum(dtype=np.int64)) for name, column in sorted(journal.calls.components.items())
    }
    for each in journal.slices:
        for name, time in (each.components or {}).items():
            totals[name] = totals.get(name, 0) + time
    return sorted(totals, key=lambda name: (-totals[name], name))[:PARTS_SHOWN]


def _groups(axis: Axis, rows: Integers) -> dict[int, tuple[int, int]]:
    """Sort rows by bin, in place, and return where each bin begins and ends among them."""
    numbers = axis.bin_of(axis.positions[rows])
    if np.any(numbers[1:] < numbers[:-1]):  # calls of several threads
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        rows[:] = rows[order]
    edges = np.searchsorted(numbers, np.arange(axis.bins + 1)).tolist()
    return {
        number: (edges[number], edges[number + 1])
        for number in range(axis.bins)
        if edges[number] < edges[number + 1]
    }


def _slices_by_bin(axis: Axis, slices: Sequence[Slice]) -> dict[int, list[Slice]]:
    found: dict[int, list[Slice]] = {}
    for each in slices:
        if each.calls > each.failed:
            first, last = axis.of_slice(each)
            number = int(axis.bin_of(np.array([(first + last) // 2]))[0])
            found.setdefault(number, []).append(each)
    return found


def _collected(axis: Axis, calls: Calls, counted: Mask) -> NDArray[np.float64]:
    """Return the time of garbage collection in the calls of each bin, ns."""
    sparse = calls.sparse.get("gc_ns")
    if sparse is None or not len(sparse):
        return np.zeros(axis.bins)
    ours = counted[sparse.rows]
    numbers = axis.bin_of(axis.positions[sparse.rows[ours]])
    weights: NDArray[np.float64] = sparse.values[ours].astype(np.float64)
    return np.bincount(numbers, weights=weights, minlength=axis.bins).astype(np.float64)


def _bin(  # noqa: PLR0913, PLR0917 - the pieces of one bin
    calls: Calls,
    axis: Axis,
    number: int,
    rows: Integers,
    slices: Sequence[Slice],
    gc_ns: int,
    names: Sequence[str],
) -> LatencyBin | None:
    wall = calls.wall_ns[rows]
    timed = [each for each in slices if each.histogram]
    count = len(rows) + sum(each.calls - each.failed for each in timed)
    if not count:
        return None
    total = int(wall.sum(dtype=np.int64)) + sum(each.wall_ns for each in timed)
    gaps = calls.gap_ns[rows]
    waited = int(gaps[gaps > 0].sum(dtype=np.int64)) + sum(max(each.gap_ns, 0) for each in timed)
    lows = [int(wall.min())] if len(wall) else []
    highs = [int(wall.max())] if len(wall) else []
    return LatencyBin(
        first=axis.first_of(number),
        last=max(axis.first_of(number + 1) - 1, axis.first_of(number)),
        calls=count,
        min_ns=min(lows + [each.min_ns for each in timed]),
        median_ns=_median(wall, timed),
        max_ns=max(highs + [each.max_ns for each in timed]),
        wall_ns=total,
        gap_ns=waited,
        gc_ns=gc_ns,
        parts=_parts(calls, rows, timed, total, names),
    )


def _median(wall: Integers, slices: Sequence[Slice]) -> float:
    if not slices:
        return median_ns(wall)
    buckets = [(bucket_middle(bucket), number) for each in slices for bucket, number in each.histogram]
    values = np.concatenate([wall.astype(np.float64), np.array([middle for middle, _ in buckets])])
    weights = np.concatenate([np.ones(len(wall)), np.array([number for _, number in buckets], np.float64)])
    found = weighted_median(values, weights)
    low = min([each.min_ns for each in slices] + [int(each) for each in wall[:1]])
    return max(found, low)


def _parts(
    calls: Calls, rows: Integers, slices: Sequence[Slice], total: int, names: Sequence[str]
) -> dict[str, int]:
    if not calls.components and not any(each.components for each in slices):
        return {WHOLE: total}
    times = {name: int(column[rows].sum(dtype=np.int64)) for name, column in calls.components.items()}
    for each in slices:
        for name, time in (each.components or {}).items():
            times[name] = times.get(name, 0) + time
    parts = {name: times.pop(name, 0) for name in names}
    if times:
        parts[OTHER_PARTS] = sum(times.values())
    parts[REST] = max(total - sum(parts.values()), 0)
    return parts
