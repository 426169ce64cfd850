"""Rules on the latency over the course of a run: start-up and drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.memory.growth import sizes
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN, FEWEST_FOR_TAIL
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown
from instrumented_calc.analysis.statistics.growth import judge_growth
from instrumented_calc.analysis.statistics.line import fit_line
from instrumented_calc.analysis.statistics.theil_sen import block_medians

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.journal.columns import Calls, Integers

# First call over median, or warm-up as a share of the wall time. Uncalibrated; TorchScript's first calls
# take 20 medians and more (pytorch/pytorch#30902, #33354).
FIRST_CALL_FACTOR, WARMUP_SHARE = 10.0, 0.05
# Growth of the latency from the first to the last fifth. Uncalibrated.
DRIFT_SHARE = 0.1
DRIFT_POINTS = 500
EXPLAINING = 0.8


def warm_up(evidence: Evidence) -> Observation:
    """The first calls are much slower than the rest."""
    summary = evidence.summary
    latency, wall = summary.latency, summary.wall_ns
    if latency is None or not wall or latency.calls < FEWEST_FOR_MEDIAN:
        return unknown(f"fewer than {FEWEST_FOR_MEDIAN} steady calls")
    calls, rows = evidence.calls, evidence.successful
    if not len(rows) or not latency.median_ns:
        return unknown("the first calls have no rows, or no call took any time")
    first = int(calls.wall_ns[rows[0]])
    early = 0 if summary.warmup is None else summary.warmup.wall_ns
    early += int(calls.wall_ns[rows[:2]].sum(dtype=np.int64, where=calls.compiling[rows[:2]]))
    numbers = {
        "first_call_ms": first / 1e6,
        "median_ms": latency.median_ns / 1e6,
        "warmup_ms": early / 1e6,
        "share_of_wall": early / wall,
    }
    text = f"the first call took {first / 1e6:.4g} ms, {first / latency.median_ns:.3g} times the median"
    if first <= FIRST_CALL_FACTOR * latency.median_ns and early <= WARMUP_SHARE * wall:
        return clear(text, numbers, latency.calls)
    if latency.calls < FEWEST_FOR_TAIL:
        text += "; the run is so short that this share is inflated"
    return flagged(text, numbers=numbers, n=latency.calls, saving_ns=float(early))


def latency_drift(evidence: Evidence) -> Observation:
    """Calls become slower during the run."""
    calls, rows = evidence.calls, evidence.steady
    if len(rows) < FEWEST_FOR_TAIL or evidence.summary.journal.slices:
        few = f"fewer than {FEWEST_FOR_TAIL} steady calls"
        return unknown(few if len(rows) < FEWEST_FOR_TAIL else "rows were thinned, slow calls kept")
    if len(evidence.sizes) > 1 or len(evidence.summary.lanes) > 1:
        return unknown("several sizes or calculators: their call times are not comparable")
    along, wall = block_medians(rows, calls.wall_ns[rows], DRIFT_POINTS)
    share = _growth_share(wall)
    edges = _edges_at(calls, rows)
    explained, left = _without_edges(wall, edges, rows)
    growth = judge_growth(
        along,
        left,
        least=DRIFT_SHARE / 2 * float(np.quantile(wall, 0.5)),
        smallest_slope=DRIFT_SHARE * float(np.quantile(wall, 0.5)) / len(rows),
    )
    residual = _growth_share(left)
    numbers = {"growth": share, "growth_without_edges": residual, "explained_by_edges": explained}
    if share >= DRIFT_SHARE > residual and explained >= EXPLAINING:
        text = f"calls take {100 * share:.3g} % longer at the end, as the number of neighbours grows"
        return flagged(
            text,
            numbers=numbers,
            n=len(rows),
            severity="info",
            remedy="This is physical: the density or the structure changes. Nothing to fix.",
        )
    if residual >= DRIFT_SHARE and growth.verdict == "flagged":
        excess = float((wall - _fifth(wall, first=True)).clip(min=0).mean()) * len(rows)
        text = f"calls take {100 * residual:.3g} % longer at the end than at the start{_why(evidence)}"
        return flagged(text, numbers=numbers, n=len(rows), saving_ns=excess)
    if growth.verdict == "not enough evidence":
        return unknown(f"latency: {growth.reason}", numbers, len(rows))
    return clear(f"{100 * residual:+.2g} % from the first to the last fifth", numbers, len(rows))


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


def _why(evidence: Evidence) -> str:
    """Name the growth that accompanies a drift, without calling it the cause."""
    for name, growth in (("the process's", evidence.host), ("the device's", evidence.device)):
        if growth is not None and growth.growth.verdict == "flagged":
            return f"; {name} memory grows as well"
    rows = evidence.steady
    _, gaps = block_medians(rows, evidence.calls.gap_ns[rows], DRIFT_POINTS)
    if _fifth(gaps, first=True) > 0 and _growth_share(gaps) >= DRIFT_SHARE:
        return "; the time between calls grows as well"
    return "; unexplained"


RULES = (
    Rule(
        "warm-up",
        "info",
        "Exclude the first calls from timings; warm up before timing; keep a compile cache on disk.",
        "Time a second run in the same process: its first call is fast.",
        warm_up,
    ),
    Rule(
        "latency-drift",
        "cost",
        "Look for growing data: results kept with their graph, lists that are searched, files.",
        "A new process started from the last frame is as fast as this one was initially.",
        latency_drift,
    ),
)
