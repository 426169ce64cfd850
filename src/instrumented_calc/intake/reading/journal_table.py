"""One row per journal: the figures a colleague wants before opening it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Summary

NS_PER_MS, NS_PER_S = 1e6, 1e9


def journal_row(name: str, summary: Summary) -> dict[str, Any]:
    """Return the figures of one journal; None for values that were not measured.

    Args:
        name: Name in the table.
        summary: Its figures.
    """
    journal, latency, speed = summary.journal, summary.latency, summary.speed
    lanes = list(journal.lanes.values())
    environment = journal.environment
    times = {}
    if latency is not None:
        times = {
            "median_ms": latency.median_ns / NS_PER_MS,
            "mean_ms": latency.mean_ns / NS_PER_MS,
            "p95_ms": latency.p95_ns / NS_PER_MS,
            "p99_ms": latency.p99_ns / NS_PER_MS,
        }
    return {
        "journal": name,
        "complete": journal.end is not None,
        "started": journal.start.started if journal.start else None,
        "calculator": "; ".join(dict.fromkeys(lane.calculator for lane in lanes)),
        "formula": "; ".join(dict.fromkeys(lane.formula for lane in lanes if lane.formula)),
        "n_atoms": lanes[0].n_atoms or None if len(lanes) == 1 else None,
        "calls": summary.evaluations.calls,
        "failed": summary.evaluations.failed,
        "steady_calls": latency.calls if latency else None,
        **{key: times.get(key) for key in ("median_ms", "mean_ms", "p95_ms", "p99_ms")},
        "steps": speed.steps if speed else None,
        "ms_per_step": speed.ms_per_step if speed else None,
        "ns_per_day": speed.ns_per_day if speed else None,
        "wall_s": summary.wall_ns / NS_PER_S if summary.wall_ns is not None else None,
        "cpu": environment.cpu or None,
        "python": environment.python or None,
    }
