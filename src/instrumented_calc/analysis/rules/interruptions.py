"""Rules on interruptions of calls: compilation, garbage collection, and unexplained slow calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.memory.growth import sizes
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN, FEWEST_FOR_TAIL
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown
from instrumented_calc.analysis.timing.compilation import RECOMPILED_CALLS
from instrumented_calc.analysis.timing.latency import FAIR_SHARE, median_ns
from instrumented_calc.journal.vocabulary import GARBAGE_COLLECTION

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.journal.columns import Calls, Integers, Mask

# Compilations after the start: so many (RECOMPILED_CALLS), or 2 % of the wall time. Uncalibrated; one
# compilation at every change of the edge count takes 15 % (facebookresearch/fairchem#1892).
RECOMPILED_SHARE = 0.02
# Without counters: a spike of this many medians at a new shape. Uncalibrated.
INFERRED_FACTOR = 5.0
# Collections take 1 % of the wall time, or collections of the oldest generation cause 60 % of the spikes,
# given enough spikes. With this definition of a spike all periodic ones and no lognormal tail were found in
# 300 draws each.
COLLECTED_SHARE, SPIKES_COLLECTED, FEWEST_SPIKES = 0.01, 0.6, 5
SPIKE_DEVIATIONS, SPIKE_MEDIANS = 5.0, 0.5
OLDEST_GENERATION = 2
# 99th percentile over median. Uncalibrated.
TAIL, JITTER_FACTOR = 0.99, 3.0
# The percentile is first looked for beyond this many medians, where most runs have few calls.
BEYOND_MOST = 1.3


def recompiling(evidence: Evidence) -> Observation:
    """Calls wait for compilation long after the start of the run."""
    calls, latency = evidence.calls, evidence.summary.latency
    wall = evidence.summary.wall_ns
    if latency is None or not wall or latency.calls < FEWEST_FOR_MEDIAN:
        return unknown(f"fewer than {FEWEST_FOR_MEDIAN} steady calls")
    if not len(calls.compiled) and not evidence.uses_jax:
        return _inferred_compilation(evidence)
    rows = evidence.successful
    # Call 0 compiles the model, call 1 the check of its neighbour lists: two calls are start-up.
    start = max(2, int(np.searchsorted(rows, evidence.steady[0])) if len(evidence.steady) else 2)
    late = rows[start:][calls.compiling[rows[start:]]]
    resized = _are_of_new_size(calls, late)
    late = late[~resized]
    lost = float(calls.wall_ns[late].sum(dtype=np.int64)) - latency.median_ns * len(late)
    numbers = {
        "calls": len(late),
        "seconds": max(lost, 0) / 1e9,
        "share_of_wall": max(lost, 0) / wall,
        "calls_with_a_new_number_of_atoms": int(resized.sum()),
    }
    text = f"{len(late)} calls after the start waited for compilation, {max(lost, 0) / 1e9:.3g} s in all"
    if len(late) < RECOMPILED_CALLS and lost <= RECOMPILED_SHARE * wall:
        return clear(text, numbers, len(rows))
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=lost)


def _inferred_compilation(evidence: Evidence) -> Observation:
    """Without counters, infer compilation from spikes at new shapes."""
    calls, rows = evidence.calls, evidence.steady
    environment = evidence.environment
    if not isinstance(environment.torch, dict) and isinstance(environment.python, str):
        return clear(
            "nothing was compiled: JAX reported no compilation, and torch is not loaded", {}, len(rows)
        )
    compiled = [model.get("compiled") for model in evidence.models]
    if compiled and all(each is False for each in compiled):
        return clear("the model runs eagerly, nothing is compiled", {}, len(rows))
    median = evidence.usual_ns
    spikes = rows[calls.wall_ns[rows] > INFERRED_FACTOR * median]
    # Finding first calls needs a full sort, so do it only if there are spikes to explain.
    if len(spikes) >= RECOMPILED_CALLS:
        spikes = spikes[np.isin(spikes, _first_of_shape(calls)) & ~_are_of_new_size(calls, spikes)]
    if len(spikes) < RECOMPILED_CALLS:
        return unknown("no compilation was recorded, and no spikes at new shapes suggest any")
    lost = float(calls.wall_ns[spikes].sum(dtype=np.int64)) - median * len(spikes)
    text = f"inferred: {len(spikes)} calls took over {INFERRED_FACTOR:g} medians, each with a new shape"
    return flagged(text, numbers={"calls": len(spikes), "seconds": lost / 1e9}, n=len(rows), saving_ns=lost)


def gc_pauses(evidence: Evidence) -> Observation:
    """Python's garbage collection interrupts calls."""
    calls, wall, rows = evidence.calls, evidence.summary.wall_ns, evidence.steady
    unseen = evidence.was_not_measured(GARBAGE_COLLECTION)
    if unseen or not wall or len(rows) < FEWEST_FOR_TAIL:
        return unknown(
            "garbage collection was not observed" if unseen else f"fewer than {FEWEST_FOR_TAIL} steady calls"
        )
    spent, generations = calls.sparse.get("gc_ns"), calls.sparse.get("gc_generation")
    # Imports and compilation in the first calls also create garbage, once.
    total = 0.0 if spent is None else float(spent.values[np.isin(spent.rows, rows)].sum())
    old = [] if generations is None else generations.rows[generations.values >= OLDEST_GENERATION]
    spikes = rows[_spikes(calls.wall_ns[rows], evidence.usual_ns)]
    explained = np.intersect1d(old, _stopped(calls, evidence.usual_ns))
    caused = int(np.isin(spikes, explained).sum())
    numbers = {
        "gc_ms": total / 1e6,
        "share_of_wall": total / wall,
        "longest_ms": 0.0 if spent is None else float(spent.values.max(initial=0)) / 1e6,
        "collections_of_the_oldest_generation": len(old),
        "slow_calls": len(spikes),
        "slow_calls_with_one": caused,
    }
    text = f"garbage collection took {100 * total / wall:.2g} % of the wall time"
    if len(spikes) >= FEWEST_SPIKES:
        text += f", and explains {caused} of {len(spikes)} slow calls"
    often = len(spikes) >= FEWEST_SPIKES and caused >= SPIKES_COLLECTED * len(spikes)
    if total <= COLLECTED_SHARE * wall and not often:
        return clear(text, numbers, len(rows))
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=total)


def unexplained_jitter(evidence: Evidence) -> Observation:
    """Call times vary, and neither compilation, garbage collection nor a new size explains it."""
    calls, rows = evidence.calls, evidence.steady
    if len(rows) < FEWEST_FOR_TAIL:
        return unknown(f"fewer than {FEWEST_FOR_TAIL} steady calls")
    if evidence.summary.journal.slices:
        return unknown("rows were thinned and slow calls kept: the unexplained share of all calls is unknown")
    if len(evidence.sizes) > 1 or len(evidence.summary.lanes) > 1:
        return unknown("several sizes or calculators: their call times are not comparable")
    median = evidence.usual_ns
    left = _without(rows, _stopped(calls, median), len(calls))
    tail = _tail(calls.wall_ns[left], median) if len(left) else median
    slow = left[calls.wall_ns[left] > JITTER_FACTOR * median]
    numbers: dict[str, Any] = {
        "p99_over_median": tail / median,
        "slow_calls": len(slow),
        "slow_calls_s": float(calls.wall_ns[slow].sum(dtype=np.int64)) / 1e9,
        "slowest": ", ".join(
            str(index) for index in calls.index[slow[np.argsort(-calls.wall_ns[slow])][:5]].tolist()
        ),
        "preemptions": _grown(calls, "preemptions"),
    }
    text = f"1 % of the calls take over {tail / median:.3g} medians, without a recorded cause"
    if tail <= JITTER_FACTOR * median:
        return clear(text, numbers, len(left))
    preempted = numbers["preemptions"]
    if preempted is not None and preempted >= len(slow):
        text += f"; the process was preempted {preempted:,} times"
        return flagged(text, numbers=numbers, n=len(left), severity="info")
    return flagged(text, numbers=numbers, n=len(left))


def stall(evidence: Evidence) -> Observation:
    """A call did not return for a very long time, as reported by the watchdog."""
    calls, journal = evidence.calls, evidence.summary.journal
    reported = [each for each in journal.findings if each.rule == "stall"]
    watched = "no call ran longer than both a minute and twenty medians"
    if not reported:
        return clear(watched, {}, len(calls)) if len(calls) else unknown("no calls")
    indices = [(each.numbers or {}).get("call") for each in reported]
    rows = np.flatnonzero(np.isin(calls.index, [each for each in indices if isinstance(each, int)]))
    lost = float((calls.wall_ns[rows] - evidence.usual_ns).sum())
    numbers = {"stalls": len(reported), "seconds": lost / 1e9, "calls": ", ".join(map(str, indices[:5]))}
    return flagged(reported[0].text, numbers=numbers, n=len(calls), saving_ns=lost if len(rows) else None)


def _are_of_new_size(calls: Calls, rows: Integers) -> Mask:
    """Return which of the given calls are the first with their number of atoms."""
    if not len(rows):
        return np.zeros(0, np.bool_)
    found: Mask = np.isin(rows, np.unique(calls.n_atoms, return_index=True)[1])
    return found


def _first_of_shape(calls: Calls) -> Integers:
    """Return the rows of the first calls with each value of any size."""
    firsts = [np.unique(column, return_index=True)[1] for column in sizes(calls).values()]
    return np.unique(np.concatenate(firsts))


def _stopped(calls: Calls, median: float) -> Integers:
    """Return the rows whose time beyond the median is explained by garbage collection."""
    spent = calls.sparse.get("gc_ns")
    if spent is None:
        return np.empty(0, np.int64)
    excess = calls.wall_ns[spent.rows] - median
    stopped: Integers = spent.rows[(excess > 0) & (spent.values >= FAIR_SHARE * excess)]
    return stopped


def _without(rows: Integers, unwanted: Integers, total: int) -> Integers:
    if not len(unwanted):
        return rows
    kept = np.ones(total, np.bool_)
    kept[unwanted] = False
    return rows[kept[rows]]


def _tail(wall: Integers, median: float) -> float:
    """Return the 99th percentile, searching the slower calls first."""
    place = int(TAIL * (len(wall) - 1))
    slower = wall[wall > BEYOND_MOST * median]
    quicker = len(wall) - len(slower)
    if quicker > place:
        slower, quicker = wall, 0
    return float(np.partition(slower, place - quicker)[place - quicker])


def _spikes(wall: Integers, median: float) -> Integers:
    slow = np.flatnonzero(wall > (1 + SPIKE_MEDIANS) * median)
    if not len(slow):
        return slow
    # In place: a million durations take 8 MB, and so does each copy.
    distance = wall - wall.dtype.type(median)
    deviation = median_ns(np.abs(distance, out=distance))
    return slow[wall[slow] > median + SPIKE_DEVIATIONS * deviation]


def _grown(calls: Calls, name: str) -> int | None:
    sparse = calls.sparse.get(name)
    return None if sparse is None or not len(sparse) else int(sparse.values[-1] - sparse.values[0])


RULES = (
    Rule(
        "recompiling",
        "cost",
        "Let the compiler treat the number of edges as dynamic, pad to a few sizes, or raise the capacity.",
        "After the change, no calls after the start compile.",
        recompiling,
    ),
    Rule(
        "gc-pauses",
        "cost",
        "After the warm-up call gc.collect() and gc.freeze(). Then collect at times of your choice.",
        "Repeat with gc.freeze(): the slow calls disappear, and memory stays the same.",
        gc_pauses,
    ),
    Rule(
        "unexplained-jitter",
        "cost",
        "Look for other load on the machine; check the list of slowest calls.",
        "Repeat on an idle machine, with the process pinned to its processors.",
        unexplained_jitter,
    ),
    Rule(
        "stall",
        "cost",
        "See the stack in the journal's notice: a lock, a hanging file system, or a wait for a device.",
        "The next stall shows the same stack.",
        stall,
    ),
)
