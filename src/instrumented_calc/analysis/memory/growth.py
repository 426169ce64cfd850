"""Growth of memory over a run: rate, time until memory runs out, and correlated quantities."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.growth import judge_growth
from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.growth import Growth
    from instrumented_calc.analysis.statistics.theil_sen import Floats
    from instrumented_calc.journal.columns import Calls, Integers
    from instrumented_calc.journal.reader import Journal

HOST, DEVICE = "rss_bytes", "device_allocated_bytes"
# Alternative sources, in machine records: pages that a forked worker shares with others count fully in its
# samples; and torch does not see JAX's memory.
OF_MACHINE = {HOST: "pss_bytes", DEVICE: "jax_bytes"}
# Count names that mean sizes of the neighbour list, as used by integrations.
EDGE_WORDS = ("edge", "pair", "neighbour")
FEWEST_SAMPLES = 10
FEWEST_OF_MACHINE = 20


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """The growth of one kind of memory.

    Attributes:
        source: The sampled field.
        growth: Verdict, slope (bytes per step) and detection limit.
        per: Unit of the slope: per `step` or `call`.
        peak_bytes: The largest sample.
        limit_bytes: The limit, or None if unknown.
        left: Steps or calls until the limit at this rate; None without growth or limit.
        follows: Share of the variance explained by each size (edges, atoms): R squared.
        arrivals: Share of all rises that coincide with something new (a shape, a compilation), by its kind.
        events: Number of events of each kind.
        rebased: Whether a jump at the first trace window was removed.
    """

    source: str
    growth: Growth
    per: str
    peak_bytes: int
    limit_bytes: int | None
    left: float | None
    follows: dict[str, float] = field(default_factory=dict)
    arrivals: dict[str, float] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    rebased: bool = False


def measure_growth(journal: Journal, name: str = HOST) -> MemoryGrowth | None:
    """Judge one sampled field of a journal.

    Args:
        journal: The run.
        name: The field: `rss_bytes` or `device_allocated_bytes`.

    Returns:
        The growth, or None if nothing was sampled outside trace windows.
    """
    calls = journal.calls
    sampled = _sampled(journal, name)
    if sampled is None:
        return None
    source, rows, values = sampled
    last, peak = int(values[-1]), int(values.max())
    outside = ~calls.traced[rows]
    if outside.any():
        rows, values = rows[outside], values[outside]
    if not len(rows):
        return None
    values, rebased = _rebased(journal, rows, values)
    along, per = _abscissa(calls, rows)
    growth = judge_growth(along, values)
    limit = _limit(journal, source)
    slope = growth.slope.value if growth.slope is not None else 0.0
    growing = limit is not None and growth.verdict == "flagged" and slope > 0
    arrivals, events = _arrivals(calls, rows, values)
    return MemoryGrowth(
        source=source,
        growth=growth,
        per=per,
        peak_bytes=peak,
        limit_bytes=limit,
        left=max(limit - last, 0) / slope if growing and limit is not None else None,
        follows=_follows(calls, rows, values),
        arrivals=arrivals,
        events=events,
        rebased=rebased,
    )


def _sampled(journal: Journal, name: str) -> tuple[str, Integers, Floats] | None:
    """Return the best field for a kind of memory, the rows at which it was sampled, and its values."""
    sparse = journal.calls.sparse.get(name)
    known = sparse is not None and len(sparse) > 0
    # Machine records are rare: a worker's unshared pages replace its samples only if there are enough of
    # them. torch's memory is sampled with the calls, which is better.
    fewest = (FEWEST_OF_MACHINE if name == HOST else math.inf) if known else 1
    rows, values = _of_machine(journal, OF_MACHINE[name])
    if len(rows) >= fewest:
        return OF_MACHINE[name], rows, values
    if sparse is None or not known:
        return None
    return name, sparse.rows, sparse.values.astype(np.float64)


def _of_machine(journal: Journal, name: str) -> tuple[Integers, Floats]:
    """For each machine reading, return the last outermost call that started before it, and the value."""
    read = [(each.time_ns, getattr(each, name)) for each in journal.machines]
    known = np.array([(time, value) for time, value in read if isinstance(value, int)], np.int64)
    calls = journal.calls
    if not len(known) or not len(calls):
        return np.empty(0, np.int64), np.empty(0)
    order = in_order(calls, ~calls.nested)
    if not len(order):
        return np.empty(0, np.int64), np.empty(0)
    places = np.searchsorted(calls.start_ns[order], known[:, 0], side="right") - 1
    # Of several readings during one call, use the last.
    kept = (places >= 0) & np.append(np.diff(places) > 0, [True])
    rows = order[places[kept]].astype(np.int64)
    ascending = np.argsort(rows, kind="stable")
    return rows[ascending], known[kept, 1][ascending].astype(np.float64)


def _abscissa(calls: Calls, rows: Integers) -> tuple[Floats, str]:
    """Return steps if they only increase (a single driver), else the call numbers."""
    steps = calls.step[rows].astype(np.float64)
    if steps.min() >= 0 and bool(np.all(np.diff(steps) >= 0)) and steps[-1] > steps[0]:
        return steps, "step"
    return np.sort(calls.index[rows].astype(np.float64)), "call"


def _rebased(journal: Journal, rows: Integers, values: Floats) -> tuple[Floats, bool]:
    """Remove the jump at the first trace window: a tracer's own buffers, 100 MB and more, once."""
    if not journal.traces:
        return values, False
    first = min(journal.traces, key=lambda trace: trace.start_ns)
    starts = journal.calls.start_ns[rows]
    after = starts >= first.start_ns + first.wall_ns
    before = starts < first.start_ns
    if not before.any() or not after.any():
        return values, False
    jump = values[after][0] - values[before][-1]
    return np.where(after, values - jump, values), True


def _limit(journal: Journal, source: str) -> int | None:
    environment = journal.environment
    if source in {HOST, OF_MACHINE[HOST]}:
        limits = (environment.cgroup_memory_bytes, environment.memory_bytes)
        known = [limit for limit in limits if isinstance(limit, int)]
        return min(known) if known else None
    if source != DEVICE:
        return None
    calls = journal.calls
    free, reserved = calls.sparse.get("device_free_bytes"), calls.sparse.get("device_reserved_bytes")
    if free is None or reserved is None or not len(free) or not len(reserved):
        return None
    return int(free.values[-1]) + int(reserved.values[-1])


def sizes(calls: Calls) -> dict[str, Integers]:
    """Return the columns that give the size of a call's system: edge counts and atoms."""
    found = {
        name: column for name, column in calls.counts.items() if any(word in name for word in EDGE_WORDS)
    }
    found["n_atoms"] = calls.n_atoms
    return found


def _follows(calls: Calls, rows: Integers, values: Floats) -> dict[str, float]:
    found = {}
    for name, column in sizes(calls).items():
        size = column[rows].astype(np.float64)
        known = size >= 0
        if known.sum() < FEWEST_SAMPLES or not size[known].std() or not values[known].std():
            continue
        found[name] = _correlation(size[known], values[known]) ** 2
    return found


def _correlation(first: Floats, second: Floats) -> float:
    product = ((first - first.mean()) * (second - second.mean())).mean()
    return float(product / (first.std() * second.std()))


def _arrivals(calls: Calls, rows: Integers, values: Floats) -> tuple[dict[str, float], dict[str, int]]:
    """Return the share of the rises that are between samples with a new event in between."""
    rises = np.diff(values).clip(min=0)
    shares: dict[str, float] = {}
    events: dict[str, int] = {}
    for name, at in {"shapes": _new_shapes(calls), "compilations": calls.compiled.rows}.items():
        seen = np.searchsorted(at, rows, side="right")
        late = rows > rows[0] + (rows[-1] - rows[0]) // 5
        came = np.diff(seen) > 0
        counted = late[1:]
        if total := float(rises[counted].sum()):
            shares[name] = float(rises[came & counted].sum()) / total
            events[name] = int(np.diff(seen)[counted].sum())
    return shares, events


def _new_shapes(calls: Calls) -> Integers:
    """Return the rows of the first calls with each combination of sizes."""
    columns = [column for column in sizes(calls).values() if (column >= 0).any()]
    if not columns or not len(calls):
        return np.empty(0, np.int64)
    different = np.zeros(len(calls), np.bool_)
    different[0] = True
    for column in columns:
        different[1:] |= column[1:] != column[:-1]
    changed = np.flatnonzero(different)
    shapes = np.stack([column[changed].astype(np.int64) for column in columns])
    _, first = np.unique(shapes, axis=1, return_index=True)
    return np.sort(changed[first])
