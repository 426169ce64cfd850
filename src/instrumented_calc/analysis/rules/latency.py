"""Rules on the latency over the course of a run: start-up and drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.memory.growth import sizes
from instrumented_calc.analysis.rules.evidence import COMPETING, FEWEST_FOR_MEDIAN, FEWEST_FOR_TAIL
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.statistics.line import fit_line
from instrumented_calc.analysis.statistics.theil_sen import block_medians, theil_sen
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, Severity
    from instrumented_calc.journal.columns import Calls, Integers

# First call over median, or warm-up as a share of the wall time. Uncalibrated; TorchScript's first calls
# take 20 medians and more (pytorch/pytorch#30902, #33354).
FIRST_CALL_FACTOR, WARMUP_SHARE = 10.0, 0.05
# Growth of the latency from the first to the last fifth, and in how many of the four steps between fifths it
# must rise. A healthy run on a machine that grew warm had 12 %.
DRIFT_SHARE, RISING_FIFTHS = 0.15, 3
# What else a machine does often lasts about a second, and a drift takes longer. Uncalibrated.
SHORTEST_DRIFT_NS = 2_000_000_000
# Above this share of a growth without CPU time, calls only wait longer. Uncalibrated.
ONLY_WAITING = 0.7
# If the time between calls grows at least this much as fast, everything became slower: 0.88 was seen where
# other programs began to use the machine.
ALL_SLOWER = 0.5
# Growth that other programs can cause by themselves: on two threads of one core, each runs at some 0.6 of its
# speed, and 21 to 31 % more CPU time per call was seen in healthy runs beside others.
SHARED_CORES = 0.5
FEWEST_STRETCHES = 10
DRIFT_POINTS = 500
EXPLAINING = 0.8


def warm_up(evidence: Evidence) -> Observation:
    """The first calls are much slower than the rest."""
    summary = evidence.summary
    latency, wall = summary.latency, summary.wall_ns
    if latency is None or not wall or latency.calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN)
    calls, rows = evidence.calls, evidence.successful
    if not len(rows) or not latency.median_ns:
        return unknown("the first calls have no rows, or no call took any time")
    first = int(calls.wall_ns[rows[0]])
    early, number = (0, 0) if summary.warmup is None else (summary.warmup.wall_ns, summary.warmup.calls)
    compiling = calls.compiling[rows[:2]]
    early += int(calls.wall_ns[rows[:2]].sum(dtype=np.int64, where=compiling))
    number += int(compiling.sum())
    lost = max(early - number * latency.median_ns, 0.0)
    numbers = {
        "first_call_ms": first / 1e6,
        "median_ms": latency.median_ns / 1e6,
        "warmup_calls": number,
        "warmup_ms": early / 1e6,
        "share_of_wall": lost / wall,
    }
    text = f"the first call took {figures(first / 1e6)} ms"
    text += f", {figures(first / latency.median_ns)} times the median"
    if first <= FIRST_CALL_FACTOR * latency.median_ns and lost <= WARMUP_SHARE * wall:
        return clear(text, evidence.all_calls, numbers, latency.calls)
    if number > 1:
        text += f"; the first {number:,} calls took {figures(lost / 1e9)} s more than later ones"
    if latency.calls < FEWEST_FOR_TAIL:
        text += "; the run is so short that this share is inflated"
    return flagged(text, numbers=numbers, n=latency.calls, saving_ns=lost)


def latency_drift(evidence: Evidence) -> Observation:
    """Calls become slower during the run."""
    calls, rows = evidence.calls, evidence.steady
    if len(rows) < FEWEST_FOR_TAIL:
        return too_few(FEWEST_FOR_TAIL, n=len(rows))
    missing = _not_comparable(evidence)
    if missing is not None:
        return missing
    if (evidence.summary.wall_ns or 0) < SHORTEST_DRIFT_NS:
        return unknown("a run of under 2 s shows no drift", Need("calls", "seconds of calls", 2), n=len(rows))
    along, wall = block_medians(rows, calls.wall_ns[rows], DRIFT_POINTS)
    explained, left = _without_edges(wall, _edges_at(calls, rows), rows)
    share, residual = _growth_share(wall), _growth_share(left)
    computing = _computing_growth(evidence)
    numbers = {
        "growth": share,
        "growth_without_edges": residual,
        "growth_of_cpu_time": computing,
        "explained_by_edges": explained,
        "first_fifth_ms": _fifth(wall, first=True) / 1e6,
        "last_fifth_ms": _fifth(wall, first=False) / 1e6,
    }
    if share >= DRIFT_SHARE > residual and explained >= EXPLAINING:
        text = f"calls take {percentage(share)} longer at the end, as the number of neighbours grows"
        remedy = "This is physical: the density or the structure changes. Nothing to fix."
        return flagged(text, numbers=numbers, n=len(rows), severity="info", remedy=remedy)
    steady = evidence.part_of_calls(len(rows))
    beside = "" if computing is None else f"; CPU time per call {percentage(computing, signed=True)}"
    text = f"{percentage(residual, signed=True)} from the first to the last fifth{beside}"
    if residual < DRIFT_SHARE or not _keeps_rising(along, left):
        return clear(text, steady, numbers, len(rows))
    return _drifting(evidence, wall, numbers)


def _not_comparable(evidence: Evidence) -> Observation | None:
    if evidence.summary.journal.slices:
        return unknown("rows were thinned, slow calls kept", Need("record", "a larger max_journal"))
    if len(evidence.sizes) > 1 or len(evidence.summary.lanes) > 1:
        return unknown("several sizes or calculators: their call times are not comparable")
    return None


def _drifting(evidence: Evidence, wall: NDArray[np.float64], numbers: dict[str, Any]) -> Observation:
    """Flag a drift, with what grows: computing or waiting."""
    rows, growth = evidence.steady, numbers["growth_without_edges"]
    excess = float((wall - _fifth(wall, first=True)).clip(min=0).mean()) * len(rows)
    computing = numbers["growth_of_cpu_time"]
    # Of the growth, the part without CPU time is waiting: for a processor, a disk, another process.
    waiting = None if computing is None else float(np.clip(1 - computing / growth, 0.0, 1.0))
    numbers |= {"share_of_waiting": waiting, "share_of_garbage_collection": _collecting(evidence, growth)}
    text = f"calls take {percentage(growth)} longer at the end than at the start"
    remedy: str | None = None
    severity: Severity | None = None
    if waiting is not None and waiting > ONLY_WAITING:
        severity = "info" if _is_preempted_late(evidence) else None
        text += f", but their CPU time changes by {percentage(computing, signed=True)}: they wait longer"
        remedy = "Look for what calls wait for: other programs on the machine, files that grow, a server."
    elif computing is not None:
        text += f", and their CPU time {percentage(computing, signed=True)}: they compute more"
    cause, all_slower = _why(evidence, growth)
    if all_slower:
        severity = "info"
        remedy = "The whole process became slower: look for other programs, or a processor that is hot."
    elif evidence.had_processor < 1 and growth < SHARED_CORES:
        severity = "info"
        remedy = "Other programs used the processors, and slow down what shares caches and cores with them."
    text += cause
    saving = None if severity == "info" else excess  # the script cannot save what others cause
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=saving, remedy=remedy, severity=severity)


def _is_preempted_late(evidence: Evidence) -> bool:
    """Return whether other programs take the processor in the last fifth."""
    found = evidence.stretches
    if found is None or found.preemptions is None:
        return False
    return bool(_fifth(found.preemptions, first=False) > COMPETING)


def _keeps_rising(along: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    """Return whether a series rises over most of its length, not only in a part of it that ends."""
    fifths = [float(np.quantile(part, 0.5)) for part in np.array_split(values, 5)]
    rises = np.diff(fifths)
    slope = theil_sen(along, values)
    up = int((rises > 0).sum())
    return slope is not None and slope.low > 0 and up >= RISING_FIFTHS and fifths[-1] >= max(fifths[:3])


def _computing_growth(evidence: Evidence) -> float | None:
    """Return the growth of the CPU time per call from the first to the last fifth; None if unknown."""
    found = evidence.stretches
    if found is None or len(found) < FEWEST_STRETCHES:
        return None
    cpu = found.cpu_ns
    return _growth_share(cpu) if _fifth(cpu, first=True) > 0 else None


def _collecting(evidence: Evidence, growth: float) -> float:
    """Return the share of the drift that is garbage collection."""
    calls, rows = evidence.calls, evidence.steady
    spent = calls.sparse.get("gc_ns")
    if spent is None:
        return 0.0
    column = np.zeros(len(calls))
    column[spent.rows] = spent.values
    fifth = len(rows) // 5
    grown = float(column[rows[-fifth:]].mean() - column[rows[:fifth]].mean())
    return max(grown, 0.0) / (growth * float(calls.wall_ns[rows[:fifth]].mean()))


def _edges_at(calls: Calls, rows: Integers) -> Integers | None:
    for name, column in sizes(calls).items():
        if name != "n_atoms" and bool((column[rows] >= 0).all()) and len(np.unique(column[rows])) > 1:
            return column[rows]
    return None


def _without_edges(
    wall: NDArray[np.float64], edges: Integers | None, rows: Integers
) -> tuple[float, NDArray[np.float64]]:
    """Return the share of the variance explained by edges, and the residuals about the median."""
    if edges is None:
        return 0.0, wall
    _, size = block_medians(rows, edges, DRIFT_POINTS)
    line, spread = fit_line(size, wall), float(np.square(wall - wall.mean()).sum())
    if line is None or not spread:
        return 0.0, wall
    left = wall - line.slope * (size - line.centre)
    return 1 - float(np.square(left - left.mean()).sum()) / spread, left


def _fifth(values: NDArray[np.float64], *, first: bool) -> float:
    part = max(len(values) // 5, 1)
    return float(np.quantile(values[:part] if first else values[-part:], 0.5))


def _growth_share(values: NDArray[np.float64]) -> float:
    return _fifth(values, first=False) / _fifth(values, first=True) - 1


def _why(evidence: Evidence, growth: float) -> tuple[str, bool]:
    """Name the growth that accompanies a drift, without calling it the cause.

    Args:
        evidence: The run.
        growth: Of the calls' duration.

    Returns:
        What grows as well, and whether that is the time between calls, where the driver's work is constant:
        then the machine is slower.
    """
    for name, memory in (("the process's", evidence.host), ("the device's", evidence.device)):
        if memory is not None and memory.growth.verdict == "flagged":
            return f"; {name} memory grows as well", False
    rows = evidence.steady
    _, gaps = block_medians(rows, evidence.calls.gap_ns[rows], DRIFT_POINTS)
    between = _growth_share(gaps) if _fifth(gaps, first=True) > 0 else 0.0
    if between < DRIFT_SHARE:
        return "", False
    return "; the time between calls grows as well", between >= ALL_SLOWER * growth


RULES = (
    Rule(
        "warm-up",
        "info",
        "Exclude the first calls from timings; warm up before timing; keep a compile cache on disk.",
        "Time a second run in the same process: its first call is fast.",
        warm_up,
        trial="warm-start",
    ),
    Rule(
        "latency-drift",
        "cost",
        "Look for growing data: results kept with their graph, lists that are searched, files.",
        "A new process started from the last frame is as fast as this one was initially.",
        latency_drift,
        saving_kind="about",
    ),
)
