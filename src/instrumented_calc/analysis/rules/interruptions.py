"""Rules on interruptions of calls: garbage collection, periods, long calls, stalls, and unexplained ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.rules.evidence import (
    COMPETING,
    FEWEST_FOR_MEDIAN,
    FEWEST_FOR_TAIL,
    WAITED_MUCH,
)
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.rules.recompilation import are_of_new_size
from instrumented_calc.analysis.rules.vocabulary import LIST_NAME, NEIGHBOURS
from instrumented_calc.analysis.timing.latency import FAIR_SHARE, median_ns
from instrumented_calc.analysis.timing.processor_wait import wait_spans
from instrumented_calc.journal.vocabulary import GARBAGE_COLLECTION
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, Severity
    from instrumented_calc.journal.columns import Calls, Integers, Mask

# Collections take 1 % of the wall time, or collections of the oldest generation cause 60 % of the spikes,
# given enough spikes. With this definition of a spike all periodic ones and no lognormal tail were found in
# 300 draws each. Fewer collections do not show what more calls would cost.
COLLECTED_SHARE, SPIKES_COLLECTED, FEWEST_SPIKES, FEWEST_COLLECTIONS = 0.01, 0.6, 5, 3
# Share that few calls show as well; and of the calls in which a program itself must have asked for a complete
# collection, because Python starts one when its objects have grown by a quarter.
COLLECTED_MUCH, DELIBERATE = 0.1, 0.5
SPIKE_DEVIATIONS, SPIKE_MEDIANS = 5.0, 0.5
OLDEST_GENERATION = 2
# 99th percentile over median. Uncalibrated.
TAIL, JITTER_FACTOR = 0.99, 3.0
# Slow calls that are more than what any machine does: so many, in so many fifths of the run, and longer than
# the scheduler's pauses, which take 3 to 20 ms where several programs or virtual machines share a processor.
FEWEST_SLOW, FIFTHS, SLOW_FIFTHS, PAUSE_NS = 10, 5, 4, 20_000_000
# So few long calls, none longer than such a pause on average, are not counted as a cost of the program.
FEW_PAUSES = 2
# Share of the time of slow calls that waiting for a processor must reach to explain them. Uncalibrated.
MOSTLY_WAITED = 0.5
# Share of the wall time of what happens every k-th call, and the share of it that names a part. Uncalibrated.
PERIODIC_SHARE, MOST_OF_IT = 0.01, 0.5
# Medians that make a call long, the share of the wall time of all long calls, and the largest share of the
# calls: more than that are a tail. Uncalibrated; a call of 40 s in a run of 55 s went unnoticed without it.
LONG_FACTOR, LONG_SHARE, FEW_LONG = 20.0, 0.03, 0.02
# The percentile is first looked for beyond this many medians, where most runs have few calls.
BEYOND_MOST = 1.3


def gc_pauses(evidence: Evidence) -> Observation:
    """Python's garbage collection interrupts calls."""
    calls, wall, rows = evidence.calls, evidence.summary.wall_ns, evidence.steady
    if evidence.was_not_measured(GARBAGE_COLLECTION):
        return unknown("garbage collection was not observed")
    if not wall or len(rows) < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_TAIL, n=len(rows))
    spent, generations = calls.sparse.get("gc_ns"), calls.sparse.get("gc_generation")
    # Imports and compilation in the first calls also create garbage, once.
    pauses = np.zeros(0) if spent is None else spent.values[np.isin(spent.rows, rows)]
    total = float(pauses.sum())
    old = [] if generations is None else generations.rows[generations.values >= OLDEST_GENERATION]
    spikes = rows[_spikes(calls.wall_ns[rows], evidence.usual_ns)]
    explained = np.intersect1d(old, _stopped(calls, evidence.usual_ns))
    caused = int(np.isin(spikes, explained).sum())
    numbers = {
        "gc_ms": total / 1e6,
        "share_of_wall": total / wall,
        "longest_ms": float(pauses.max(initial=0)) / 1e6,
        "collections": len(pauses),
        "collections_of_the_oldest_generation": len(old),
        "slow_calls": len(spikes),
        "slow_calls_with_one": caused,
    }
    text = f"garbage collection took {percentage(total / wall)} of the wall time"
    if len(spikes) >= FEWEST_SPIKES:
        text += f", and explains {caused} of {len(spikes)} slow calls"
    often = len(spikes) >= FEWEST_SPIKES and caused >= SPIKES_COLLECTED * len(spikes)
    if total <= COLLECTED_MUCH * wall and len(rows) < FEWEST_FOR_TAIL:
        return too_few(FEWEST_FOR_TAIL, n=len(rows))
    if len(pauses) < FEWEST_COLLECTIONS or (total <= COLLECTED_SHARE * wall and not often):
        return clear(f"{text}, in {len(pauses):,} collections", evidence.steady_calls, numbers, len(rows))
    if len(old) > DELIBERATE * len(rows):
        text += ": all objects are inspected in nearly every call, which only gc.collect() does"
        remedy = "Remove gc.collect() from what runs in each call, or call it rarely."
        return flagged(text, numbers=numbers, n=len(rows), saving_ns=total, remedy=remedy)
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=total)


def periodic_calls(evidence: Evidence) -> Observation:
    """Every k-th call takes much longer than the others."""
    calls, rows, wall = evidence.calls, evidence.steady, evidence.summary.wall_ns
    if not wall or len(rows) < FEWEST_FOR_TAIL:
        return too_few(FEWEST_FOR_TAIL, n=len(rows))
    if evidence.summary.journal.slices:
        return unknown("rows were thinned, slow calls kept", Need("record", "a larger max_journal"))
    found = evidence.period
    if found is None:
        return clear("slow calls follow no period", evidence.steady_calls, {}, len(rows))
    hits = rows[found.hits]
    text = _why_structures_explain(calls, hits, rows)
    if text:
        return clear(text, evidence.steady_calls, {"period_calls": found.length}, len(rows))
    share = found.excess / wall
    part, of_part = _slower_part(calls, hits, rows)
    numbers = {
        "period_calls": found.length,
        "slow_calls": len(hits),
        "share_of_wall": share,
        "extra_ms": found.excess / len(hits) / 1e6,
        "share_of_garbage_collection": _collected(calls, hits) / found.excess,
        "share_of_neighbour_lists": _listing(evidence, hits, rows) / found.excess,
        "slower_part": part,
    }
    text = f"every {_ordinal(found.length)} call takes {figures(found.excess / len(hits) / 1e6)} ms longer"
    text += f", {percentage(share)} of the wall time"
    if share < PERIODIC_SHARE:
        return clear(text, evidence.steady_calls, numbers, len(rows))
    if part and of_part >= MOST_OF_IT * found.excess:
        text += f", in its part {part!r}"
    listing = _listing(evidence, hits, rows) >= MOST_OF_IT * found.excess  # made in each call: another rule
    return flagged(
        text,
        numbers=numbers,
        n=len(rows),
        saving_ns=None if listing else found.excess,
        severity="info" if listing else None,
        remedy=REBUILT if listing else None,
    )


def _why_structures_explain(calls: Calls, hits: Integers, rows: Integers) -> str:
    """Return why periodic slow calls are those of some structures; empty if they are not."""
    others = _kinds(calls, _without(rows, hits, len(calls)))
    if not np.isin(_kinds(calls, hits), others).any():
        return "calculators or structures of several sizes take turns"
    entries = [entry for entry, names in enumerate(calls.change_sets) if "numbers" in names]
    if np.isin(calls.changes[hits], entries).mean() >= MOST_OF_IT:
        return "structures take turns, and the first call of each is slower"
    return ""


def _kinds(calls: Calls, rows: Integers) -> Integers:
    """Return a number for the calculator and the number of atoms of each call."""
    kinds: Integers = (calls.lane[rows].astype(np.int64) << 32) + calls.n_atoms[rows]
    return kinds


def unexplained_jitter(evidence: Evidence) -> Observation:
    """Call times vary, and neither compilation, garbage collection, a period nor a new size explains it."""
    calls, rows = evidence.calls, evidence.steady
    if len(rows) < FEWEST_FOR_TAIL:
        return too_few(FEWEST_FOR_TAIL, n=len(rows))
    if evidence.summary.journal.slices:
        missing = "rows were thinned and slow calls kept: the unexplained share of all calls is unknown"
        return unknown(missing, Need("record", "a larger max_journal"))
    if len(evidence.sizes) > 1 or len(evidence.summary.lanes) > 1:
        return unknown("several sizes or calculators: their call times are not comparable")
    median = evidence.usual_ns
    left = _without(rows, _stopped(calls, median), len(calls))
    if evidence.period is not None:
        left = _without(left, rows[evidence.period.hits], len(calls))
    tail = _tail(calls.wall_ns[left], median) if len(left) else median
    slow = left[calls.wall_ns[left] > JITTER_FACTOR * median]
    numbers: dict[str, Any] = {
        "p99_over_median": tail / median,
        "slow_calls": len(slow),
        "seconds": float(calls.wall_ns[slow].sum(dtype=np.int64)) / 1e9,
        "slowest": ", ".join(
            str(index) for index in calls.index[slow[np.argsort(-calls.wall_ns[slow])][:5]].tolist()
        ),
        "preemptions": _grown(calls, "preemptions"),
    }
    text = f"1 % of the calls take over {figures(tail / median)} medians, without a recorded cause"
    if tail <= JITTER_FACTOR * median:
        return clear(text, evidence.steady_calls, numbers, len(left))
    numbers |= {
        "share_with_a_collection": float(calls.has("gc_ns")[slow].mean()) if len(slow) else 0.0,
        "share_in_contention": _in_contention(evidence, slow),
    }
    excess = float(calls.wall_ns[slow].sum(dtype=np.int64)) - median * len(slow)
    preempted = numbers["preemptions"]
    if preempted is not None and preempted >= len(slow):
        text += f"; the process was preempted {preempted:,} times"
    elif _is_ordinary_noise(evidence, left, slow, excess):
        text += ": few or short delays, as on any machine with other work"
    else:
        return flagged(text, numbers=numbers, n=len(left), saving_ns=excess)
    return flagged(text, numbers=numbers, n=len(left), severity="info", remedy=NOISE)


def _is_ordinary_noise(evidence: Evidence, rows: Integers, slow: Integers, excess: float) -> bool:
    """Return whether slow calls are few, short, in one part of the run, or waited for a processor."""
    waited = (evidence.summary.processor_wait or 0.0) * (evidence.summary.wall_ns or 0)
    fifths = np.unique(np.searchsorted(rows, slow) * FIFTHS // max(len(rows), 1))
    return (
        len(slow) < FEWEST_SLOW
        or len(fifths) < SLOW_FIFTHS
        or excess < PAUSE_NS * len(slow)
        or waited >= MOSTLY_WAITED * excess
    )


def long_calls(evidence: Evidence) -> Observation:
    """Single calls take a large part of the whole run."""
    calls, rows, wall = evidence.calls, evidence.steady, evidence.summary.wall_ns
    if not wall or len(rows) < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, n=len(rows))
    usual = evidence.usual_ns
    long = rows[calls.wall_ns[rows] > LONG_FACTOR * usual]
    collecting = np.intersect1d(long, _stopped(calls, usual))
    if int(calls.has("gc_ns")[rows].sum()) >= FEWEST_COLLECTIONS:  # else too few for the rule on collections
        long = _without(long, collecting, len(calls))
    if evidence.period is not None:
        long = _without(long, rows[evidence.period.hits], len(calls))
    long = long[~are_of_new_size(calls, long)]
    long = long[~_waited_for_a_processor(evidence, long)]
    long = long[np.argsort(-calls.wall_ns[long].astype(np.int64))]
    lost = float(calls.wall_ns[long].sum(dtype=np.int64)) - usual * len(long)
    numbers = {
        "calls": len(long),
        "seconds": max(lost, 0.0) / 1e9,
        "share_of_wall": max(lost, 0.0) / wall,
        "longest": ", ".join(str(index) for index in calls.index[long[:5]].tolist()),
    }
    if lost < LONG_SHARE * wall or len(long) > FEW_LONG * len(rows):
        text = f"{len(long):,} calls took over {LONG_FACTOR:g} medians, {percentage(max(lost, 0.0) / wall)}"
        return clear(f"{text} of the wall time", evidence.steady_calls, numbers, len(rows))
    first = int(long[0])
    text = f"call {calls.index[first]:,}"
    step = evidence.summary.steps[first]
    text += f" (step {step:,})" if step >= 0 else ""
    took = float(calls.wall_ns[first])
    text += f" took {figures(took / 1e9)} s, {figures(took / usual)} times the median"
    if len(long) > 1:
        text += f", and {len(long) - 1:,} more like it"
    if first in collecting:
        text += ", to collect garbage"
    text += f": {percentage(lost / wall)} of the wall time"
    # Another program may have caused it: nothing that is recorded rules that out.
    is_a_pause = len(long) <= FEW_PAUSES and lost < PAUSE_NS * len(long)
    severity: Severity | None = "info" if is_a_pause else None
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=lost, severity=severity)


def stall(evidence: Evidence) -> Observation:
    """A call did not return for a very long time, as reported by the watchdog."""
    calls, journal = evidence.calls, evidence.summary.journal
    reported = [each for each in journal.findings if each.rule == "stall"]
    watched = "no call ran longer than both a minute and twenty medians"
    if not reported:
        return clear(watched, evidence.all_calls, {}, len(calls)) if len(calls) else unknown("no calls")
    indices = [(each.numbers or {}).get("call") for each in reported]
    rows = np.flatnonzero(np.isin(calls.index, [each for each in indices if isinstance(each, int)]))
    lost = float((calls.wall_ns[rows] - evidence.usual_ns).sum())
    numbers = {"stalls": len(reported), "seconds": lost / 1e9, "calls": ", ".join(map(str, indices[:5]))}
    return flagged(reported[0].text, numbers=numbers, n=len(calls), saving_ns=lost if len(rows) else None)


def _ordinal(number: int) -> str:
    """Return 2nd, 3rd, 40th, 121st."""
    tens = number % 100 // 10
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if tens != 1 else "th"
    return f"{number:,}{ending}"


def _slower_part(calls: Calls, hits: Integers, rows: Integers) -> tuple[str, float]:
    """Return the component that takes most of the extra time of some calls, and how much of it, ns."""
    extra = {
        name: float(column[hits].mean() - np.median(column[rows])) * len(hits)
        for name, column in calls.components.items()
    }
    name = max(extra, key=lambda each: extra[each], default="")
    return name, extra.get(name, 0.0)


def _listing(evidence: Evidence, hits: Integers, rows: Integers) -> float:
    """Return the extra time of some calls that their neighbour lists take, ns."""
    calls, breakdown = evidence.calls, evidence.summary.breakdown
    lists = [part.name for part in breakdown.parts if part.group == NEIGHBOURS] if breakdown else []
    columns = [calls.components[name] for name in {*lists, LIST_NAME} if name in calls.components]
    return sum(float(each[hits].mean() - np.median(each[rows])) * len(hits) for each in columns)


def _collected(calls: Calls, rows: Integers) -> float:
    """Return the time that garbage collection took in some calls, ns."""
    spent = calls.sparse.get("gc_ns")
    return 0.0 if spent is None else float(spent.values[np.isin(spent.rows, rows)].sum())


def _in_contention(evidence: Evidence, slow: Integers) -> float:
    """Return the share of some calls in stretches in which the process competed for its processor."""
    found = evidence.stretches
    if found is None or found.preemptions is None or not len(slow):
        return 0.0
    at = np.clip(np.searchsorted(found.last, slow), 0, len(found) - 1)
    return float((found.preemptions[at] > COMPETING).mean())


def _waited_for_a_processor(evidence: Evidence, long: Integers) -> Mask:
    """Return which long calls lie in stretches with other programs, and did not compute for long either.

    While other programs run, a call that is shorter than a pause of the scheduler counts as such a pause.
    """
    found = evidence.stretches
    if evidence.had_processor < 1:
        pauses: Mask = evidence.calls.wall_ns[long] < PAUSE_NS
    else:
        pauses = np.zeros(len(long), np.bool_)
    if found is None or found.preemptions is None or not len(long):
        return pauses
    at = np.clip(np.searchsorted(found.last, long), 0, len(found) - 1)
    usual = float(np.median(found.cpu_ns))
    computed = found.cpu_ns[at] * found.calls[at] - usual * (found.calls[at] - 1)
    spans = [each for each in wait_spans(evidence.summary.journal.machines) if each.share > WAITED_MUCH]
    starts = evidence.calls.start_ns[long]
    competing = found.preemptions[at] > COMPETING
    for span in spans:
        competing |= (starts >= span.begin_ns) & (starts <= span.end_ns)
    waited: Mask = pauses | competing & (computed <= LONG_FACTOR * usual)
    return waited


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


REBUILT = "A neighbour list with a skin is rebuilt when atoms have moved far enough: nothing to fix."
NOISE = "Nothing to fix. For exact comparisons, run alone on the machine."

RULES = (
    Rule(
        "gc-pauses",
        "cost",
        "After the warm-up call gc.collect() and gc.freeze(). Then collect at times of your choice.",
        "Repeat with gc.freeze(): the slow calls disappear, and memory stays the same.",
        gc_pauses,
        trial="frozen-garbage",
        saving_kind="about",
    ),
    Rule(
        "periodic-calls",
        "cost",
        "Look in the calculator for what has this interval: a rebuild, a check, a file. Do it less often.",
        "The slow calls are then rarer, and the results agree.",
        periodic_calls,
    ),
    Rule(
        "unexplained-jitter",
        "cost",
        "Look for other load on the machine; check the list of slowest calls.",
        "Repeat on an idle machine, with the process pinned to its processors.",
        unexplained_jitter,
        trial="idle-machine",
    ),
    Rule(
        "long-calls",
        "cost",
        "Look at these calls: a file system that does not respond, a lock, a download, a rare rebuild.",
        "Repeat the run: if the same calls are long, the cause is in the program.",
        long_calls,
    ),
    Rule(
        "stall",
        "cost",
        "See the stack in the journal's notice: a lock, a hanging file system, or a wait for a device.",
        "The next stall shows the same stack.",
        stall,
    ),
)
