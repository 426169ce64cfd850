"""Latency of calls: exact percentiles, separate warm-up, and the slowest calls with their causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.timing.compilation import times_at
from instrumented_calc.analysis.timing.warmup import warmup_calls
from instrumented_calc.journal.columns import BLOCK_ROWS
from instrumented_calc.journal.records import bucket_middle
from instrumented_calc.quantities import figures, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Calls, Integers, Mask
    from instrumented_calc.journal.records import Slice

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
SLOWEST_LISTED = 5
# A cause explains a slow call if it takes this share of the time beyond the median.
FAIR_SHARE = 0.3
# Upper limits of the time that one event costs; a share that more events could not explain has another cause.
# A page read from a disk or a network takes up to tens of ms; a quota of processor time (cgroup) stops a
# process for up to 0.1 s.
LONGEST_PAGE_NS, LONGEST_PREEMPTION_NS = 50_000_000, 100_000_000


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations of the steady calls: outermost, successful, without compilation or tracer, after the warm-up.

    All times are in ns.

    Attributes:
        calls: Number of calls.
        mean_ns: Arithmetic mean.
        std_ns: Standard deviation (n - 1); None for a single call.
        min_ns: Shortest.
        median_ns: 50th percentile.
        p90_ns: 90th percentile; percentiles interpolate linearly between calls.
        p95_ns: 95th percentile.
        p99_ns: 99th percentile.
        p999_ns: 99.9th percentile.
        max_ns: Longest.
        exact: False if percentiles come from histogram buckets, accurate to 1.6 %.
    """

    calls: int
    mean_ns: float
    std_ns: float | None
    min_ns: int
    median_ns: float
    p90_ns: float
    p95_ns: float
    p99_ns: float
    p999_ns: float
    max_ns: int
    exact: bool = True

    @property
    def cv(self) -> float | None:
        """Coefficient of variation: standard deviation over mean."""
        return None if self.std_ns is None or not self.mean_ns else self.std_ns / self.mean_ns

    @property
    def p95_over_mean(self) -> float | None:
        """Tail ratio."""
        return self.p95_ns / self.mean_ns if self.mean_ns else None

    @property
    def p99_over_mean(self) -> float | None:
        """Tail ratio."""
        return self.p99_ns / self.mean_ns if self.mean_ns else None


@dataclass(frozen=True, slots=True)
class Warmup:
    """The calls before the steady state, without those that compiled something."""

    calls: int
    wall_ns: int
    first_ns: int


@dataclass(frozen=True, slots=True)
class SlowCall:
    """One of the slowest calls; `cause` is None if the journal records none."""

    index: int
    step: int | None
    wall_ns: int
    cause: str | None


def steady_calls(calls: Calls) -> tuple[Integers, Warmup | None]:
    """Return the row numbers of steady calls in order of start, and the preceding warm-up.

    Calls that compiled something, were traced or profiled are excluded first. The warm-up is None if there is
    none.
    """
    excluded = calls.nested | calls.raised | calls.compiling | calls.traced | calls.profiled
    rows = in_order(calls, ~excluded)
    skipped = warmup_calls(calls.wall_ns[rows])
    if not skipped:
        return rows, None
    wall = calls.wall_ns[rows[:skipped]]
    return rows[skipped:], Warmup(skipped, int(wall.sum(dtype=np.int64)), int(wall[0]))


def in_order(calls: Calls, mask: Mask) -> Integers:
    """Return row numbers sorted by the start of their calls."""
    # Row numbers are the largest allocation of the analysis, so use the narrowest type.
    numbers: Integers = np.arange(len(calls), dtype=np.int32 if len(calls) < 2**31 else np.int64)
    rows = numbers if mask.all() else numbers[mask]
    starts = calls.start_ns if len(rows) == len(calls) else calls.start_ns[rows]
    if bool(np.any(starts[1:] < starts[:-1])):
        rows = rows[np.argsort(starts, kind="stable")]
    return rows


def median_ns(wall: Integers) -> float:
    """Return the median of one or more durations, ns."""
    # Not `np.median`, which loads numpy's masked arrays.
    middle = len(wall) // 2
    ordered = np.partition(wall, (middle - 1, middle))
    return float(ordered[middle]) if len(wall) % 2 else float(ordered[middle - 1 : middle + 1].mean())


def measure_latency(calls: Calls, rows: Integers, slices: Sequence[Slice] = ()) -> Latency | None:
    """Return the statistics of some calls.

    Args:
        calls: The columns.
        rows: The row numbers to count.
        slices: Thinned intervals of the same calls. Rows that they include are skipped.

    Returns:
        The statistics, or None if there are no calls.
    """
    if not slices:
        return _of_rows(calls.wall_ns[rows])
    wall = calls.wall_ns[rows[~calls.sliced[rows]]]
    # A damaged slice may have lost its histogram: then it is unknown how long its calls took.
    return _of_rows_and_slices(wall, [each for each in slices if each.calls > each.failed and each.histogram])


def _of_rows(wall: Integers) -> Latency | None:
    if not len(wall):
        return None
    # One sort gives all percentiles; a million integers take 8 ms. `wall` is a private copy.
    wall.sort()
    return _latency(
        calls=len(wall),
        mean_ns=float(wall.mean(dtype=np.float64)),
        std_ns=deviation(wall),
        bounds_ns=(int(wall[0]), int(wall[-1])),
        points=np.interp(np.array(PERCENTILES) / 100 * (len(wall) - 1), *_around(wall)),
        exact=True,
    )


def _around(ordered: Integers) -> tuple[Integers, Integers]:
    """Return the indices next to each percentile of sorted values, and the values there."""
    exact = np.array(PERCENTILES) / 100 * (len(ordered) - 1)
    places = np.unique(np.concatenate([np.floor(exact), np.ceil(exact)])).astype(np.int64)
    return places, ordered[places]


def deviation(wall: Integers) -> float | None:
    """Return the standard deviation (n - 1), computed block by block to save memory."""
    if len(wall) < 2:  # noqa: PLR2004 - one value does not vary
        return None
    mean = wall.mean(dtype=np.float64)
    blocks = (wall[at : at + BLOCK_ROWS] - mean for at in range(0, len(wall), BLOCK_ROWS))
    # Not `block @ block`: the linear algebra library would start threads and take 30 MB for it.
    squares = sum(float(np.square(block).sum()) for block in blocks)
    return float((squares / (len(wall) - 1)) ** 0.5)


def _latency(  # noqa: PLR0913 - keyword-only, one per figure
    *,
    calls: int,
    mean_ns: float,
    std_ns: float | None,
    bounds_ns: tuple[int, int],
    points: NDArray[np.float64],
    exact: bool,
) -> Latency:
    median, p90, p95, p99, p999 = points.tolist()
    return Latency(
        calls=calls,
        mean_ns=mean_ns,
        std_ns=std_ns,
        min_ns=bounds_ns[0],
        median_ns=median,
        p90_ns=p90,
        p95_ns=p95,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=bounds_ns[1],
        exact=exact,
    )


def _of_rows_and_slices(wall: Integers, slices: Sequence[Slice]) -> Latency | None:
    """Combine exact rows with slices: sums stay exact, percentiles are accurate to a bucket."""
    count = len(wall) + sum(each.calls - each.failed for each in slices)
    if not count:
        return None
    total = int(wall.sum(dtype=np.int64)) + sum(each.wall_ns for each in slices)
    squares = float(np.square(wall.astype(np.float64)).sum())
    squares += sum(each.squares_ns2 for each in slices)
    variance = (squares - total * total / count) / (count - 1) if count > 1 else None
    shortest = [int(wall.min())] if len(wall) else []
    longest = [int(wall.max())] if len(wall) else []
    low = min(shortest + [each.min_ns for each in slices])
    high = max(longest + [each.max_ns for each in slices])
    points = np.clip(_weighted_percentiles(wall, slices), low, high)
    return _latency(
        calls=count,
        mean_ns=total / count,
        std_ns=None if variance is None else max(variance, 0.0) ** 0.5,
        bounds_ns=(low, high),
        points=points,
        exact=not slices,
    )


def _weighted_percentiles(wall: Integers, slices: Sequence[Slice]) -> NDArray[np.float64]:
    buckets: dict[int, int] = {}
    for each in slices:
        for bucket, number in each.histogram:
            buckets[bucket] = buckets.get(bucket, 0) + number
    middles = np.array([bucket_middle(bucket) for bucket in buckets], dtype=np.float64)
    values = np.concatenate([wall.astype(np.float64), middles])
    weights = np.concatenate([np.ones(len(wall)), np.array(list(buckets.values()), np.float64)])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = np.array(PERCENTILES) / 100 * (reached[-1] - 1) + 1
    places = np.minimum(np.searchsorted(reached, wanted), len(values) - 1)
    found: NDArray[np.float64] = values[order][places]
    return found


def slowest_calls(
    calls: Calls, rows: Integers, steps: Integers, median_ns: float, listed: int = SLOWEST_LISTED
) -> list[SlowCall]:
    """Return the slowest of some calls, slowest first, with the cause if the journal has it.

    Args:
        calls: The columns.
        rows: The row numbers to search.
        steps: The step that each call belongs to, -1 if unknown.
        median_ns: The usual duration; a cause must explain the time beyond it.
        listed: How many to return.
    """
    usual_gc_ns = _usual(calls, "gc_ns", rows)
    slow: Integers = np.empty(0, dtype=np.int64)
    bound = -1
    for at in range(0, len(rows), BLOCK_ROWS):
        block = rows[at : at + BLOCK_ROWS]
        # Almost nothing is left to sort once the bound of a few blocks is known.
        slow = np.concatenate([slow, block[calls.wall_ns[block] > bound]])
        order = np.argsort(-calls.wall_ns[slow].astype(np.int64), kind="stable")
        slow = slow[order[:listed]]
        bound = int(calls.wall_ns[slow[-1]]) if len(slow) == listed else -1
    return [
        SlowCall(
            index=int(calls.index[row]),
            step=int(steps[row]) if steps[row] >= 0 else None,
            wall_ns=int(calls.wall_ns[row]),
            cause=_cause(calls, int(row), median_ns, usual_gc_ns),
        )
        for row in slow
    ]


def _cause(  # noqa: PLR0911 - one return per cause
    calls: Calls, row: int, median_ns: float, usual_gc_ns: float
) -> str | None:
    """Return what took a fair share of a call's time beyond the median; None if nothing recorded did."""
    excess = float(calls.wall_ns[row]) - median_ns
    fair = FAIR_SHARE * excess
    if excess <= 0:
        return None
    compiled = times_at(calls, row)
    if compiled and sum(compiled.values()) >= fair:
        return _compiled_words(compiled)
    collected = _value(calls, "gc_ns", row)
    if collected is not None and collected - usual_gc_ns >= fair:
        generation = _value(calls, "gc_generation", row)
        return "garbage collection" if generation is None else f"GC gen {generation}"
    n_atoms = calls.n_atoms[row]
    if n_atoms >= 0 and _slower_than_same_size(calls, row) >= fair:
        return f"first call with {plural(int(n_atoms), 'atom')}"
    if _increase(calls, "major_faults", row) * LONGEST_PAGE_NS >= fair:
        return "page faults from disk"
    if _increase(calls, "preemptions", row) * LONGEST_PREEMPTION_NS >= fair:
        return "preempted"
    return None


def _usual(calls: Calls, field: str, rows: Integers) -> float:
    """Return the median of a sparse field over some rows, where a missing value is zero."""
    sparse = calls.sparse.get(field)
    if sparse is None:
        return 0.0
    found = sparse.values[np.isin(sparse.rows, rows)]
    lacking = len(rows) - len(found)
    return float(np.sort(found)[len(rows) // 2 - lacking]) if lacking <= len(rows) // 2 < len(rows) else 0.0


def _slower_than_same_size(calls: Calls, row: int) -> float:
    """Return by how much the first call with its number of atoms is slower than the others, ns.

    Returns:
        The call's duration if there are no others, -1 if it is not the first.
    """
    same = calls.n_atoms == calls.n_atoms[row]
    if int(np.argmax(same)) != row:
        return -1.0
    wall, others = float(calls.wall_ns[row]), calls.wall_ns[np.flatnonzero(same)[1:]]
    return wall - median_ns(others) if len(others) else wall


def _compiled_words(times: dict[str, int]) -> str:
    """Name the function that took the longest: compiled energy_and_forces and 2 more, 2.3 s."""
    longest = max(times, key=lambda name: times[name])
    more = f" and {len(times) - 1} more" if len(times) > 1 else ""
    return f"compiled {longest}{more}, {figures(sum(times.values()) / 1e9)} s"


def _value(calls: Calls, field: str, row: int) -> int | None:
    sparse = calls.sparse.get(field)
    if sparse is None:
        return None
    place = int(np.searchsorted(sparse.rows, row))
    found = place < len(sparse) and sparse.rows[place] == row
    return int(sparse.values[place]) if found else None


def _increase(calls: Calls, field: str, row: int) -> float:
    """Return by how much more than usual a cumulative counter, sampled at this row, has grown.

    Returns:
        0 if there was no sample at the previous row: an older one does not apply to this call alone.
    """
    sparse = calls.sparse.get(field)
    if sparse is None:
        return 0.0
    place = int(np.searchsorted(sparse.rows, row))
    if not 0 < place < len(sparse) or sparse.rows[place] != row or sparse.rows[place - 1] < row - 1:
        return 0.0
    grown = np.diff(sparse.values.astype(np.int64))
    return float(grown[place - 1] - median_ns(grown))
