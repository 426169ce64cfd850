"""Where the recent time of a run went, and how a quantity developed over the run."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from instrumented_calc.analysis.timing.driver_names import driver_name
from instrumented_calc.analysis.timing.time_shares import Breakdown, Share
from instrumented_calc.analysis.watching.observed_run import end_of
from instrumented_calc.analysis.watching.step_number import step_number
from instrumented_calc.analysis.watching.watch_state import LiveLatency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.watching.observed_run import ObservedRun
    from instrumented_calc.analysis.watching.series import TimePoint
    from instrumented_calc.journal.records import Call, Phase

RECENT_NS = 60_000_000_000  # of the parts and the latencies
FEWEST_RECENT = 20  # calls: slow ones may last longer than a minute
# Of the lines over the run: fewer bins than the places at which a large file is sampled.
BINS, FEWEST_IN_BIN = 40, 3


def _recent_rows(run: ObservedRun) -> list[Call]:
    rows = list(run.rows)
    if not rows:
        return []
    since = end_of(rows[-1]) - RECENT_NS
    recent = [row for row in rows if end_of(row) >= since]
    return recent if len(recent) >= FEWEST_RECENT else rows[-FEWEST_RECENT:]


def recent_latency(run: ObservedRun, phase: Phase | None) -> LiveLatency | None:
    """Return how long recent calls took; in a thinned journal without their rows the mean."""
    rows = _recent_rows(run)
    if rows:
        slow = max(rows, key=lambda row: row.wall_ns)
        step = step_number(phase, slow.index, slow.step) if isinstance(slow.step, int) else None
        return LiveLatency(len(rows), median(row.wall_ns for row in rows), slow.wall_ns, step)
    timed = [each for each in run.slices if each.calls > each.failed]
    if not timed:
        return None
    calls = sum(each.calls - each.failed for each in timed)
    mean = sum(each.wall_ns for each in timed) / calls
    return LiveLatency(calls, mean, max(each.max_ns for each in timed))


def recent_time(run: ObservedRun, phase: Phase | None) -> Breakdown | None:
    """Return where the time of the newest calls went: their parts, and what is between them."""
    sums: dict[str, int] = {}
    wall = gaps = observers = 0
    for each in _recent_rows(run) or run.slices:
        wall += each.wall_ns
        gaps += max(each.gap_ns, 0) if isinstance(each.gap_ns, int) else 0
        observers += each.observers_ns if isinstance(each.observers_ns, int) else 0
        for name, time in (each.components or {}).items():
            sums[name] = sums.get(name, 0) + time
    if not wall:
        return None
    observers = min(observers, gaps)
    outside = driver_name([] if phase is None else [phase])
    parts = [Share(name, "component", time) for name, time in sorted(sums.items(), key=lambda pair: -pair[1])]
    parts.append(Share("calculator", "calculator", max(wall - sum(sums.values()), 0)))
    parts += [Share("observers", "observers", observers)] if observers else []
    parts.append(Share(outside, "outside", gaps - observers))
    return Breakdown(sum(part.wall_ns for part in parts), tuple(parts), 1.0, estimated=False)


def binned(points: Sequence[TimePoint]) -> tuple[float | None, ...]:
    """Return the medians of the points in equal times, at most 40."""
    if not points:
        return ()
    first, last = points[0].at, points[-1].at
    number = min(BINS, max(len(points) // FEWEST_IN_BIN, 1))
    groups: list[list[float]] = [[] for _ in range(number)]
    for point in points:
        place = int((point.at - first) / (last - first) * number) if last > first else 0
        groups[min(place, number - 1)].append(point.value)
    return tuple(median(group) if group else None for group in groups)
