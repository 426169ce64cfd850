"""Hotspots of a profiled trajectory, by the rules of the MLFF-Distiller profiler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.experiments.mlff_distiller.recorded_result import RecordedProfile
from instrumented_calc.experiments.mlff_distiller.result import MIB_PER_GIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.experiments.mlff_distiller.result import MDProfileResult

# Thresholds documented by that profiler.
MOST_GROWTH_MIB = 10.0
MOST_CV_PCT = 20.0
MOST_TAIL = 2.0
# From a journal, spread and tail are judged only with this many latencies: fewer are not significant.
FEWEST_LATENCIES = 20


def identify_hotspots(result: MDProfileResult, threshold_pct: float = 10.0) -> dict[str, Any]:
    """Return the components above a share of the mean latency, and recommendations.

    A result made by hand or loaded from JSON is judged by its totals: each component above the threshold,
    a memory increase above 10 MiB, a coefficient of variation above 20 %, P99 above twice the mean. A result
    read from a journal is judged by our own analysis of memory growth, and its spread only with at least 20
    latencies.

    Args:
        result: A profile.
        threshold_pct: Share of the mean latency, in percent, above which a component is a hotspot.

    Returns:
        `summary`; `total_time_ms`; `components` (energy, forces and stress where known) and `parts`
        (all timed parts of a recording), each with `time_ms`, `percentage` and `is_hotspot`;
        `recommendations`, lines of text; and `verdicts`, those of our own analysis.
    """
    recorded = result if isinstance(result, RecordedProfile) else None
    times = {
        "energy": result.energy_time_ms,
        "forces": result.forces_time_ms,
        "stress": result.stress_time_ms,
    }
    known = {name: time for name, time in times.items() if time is not None}
    components = _shares(known, result.mean_latency_ms, threshold_pct)
    judged = recorded.memory_verdict if recorded else ""
    return {
        "summary": _summary(result, components),
        "total_time_ms": result.mean_latency_ms,
        "components": components,
        "parts": _shares(recorded.parts_ms if recorded else {}, result.mean_latency_ms, threshold_pct),
        "recommendations": [
            *_component_advice(components, threshold_pct),
            *_memory_advice(result, judged),
            *_latency_advice(result, recorded),
        ],
        "verdicts": {"memory": judged} if judged else {},
    }


def _shares(times: dict[str, float], total: float, threshold_pct: float) -> dict[str, dict[str, Any]]:
    shares = {name: 100.0 * time / total for name, time in times.items()} if total else {}
    return {
        name: {"time_ms": times[name], "percentage": share, "is_hotspot": bool(share > threshold_pct)}
        for name, share in shares.items()
    }


def _summary(result: MDProfileResult, components: dict[str, dict[str, Any]]) -> str:
    split = ", ".join(f"{name} {found['percentage']:.1f} %" for name, found in components.items())
    unsplit = "energy, forces and stress are not separable"
    return f"{result.name}: {result.mean_latency_ms:.3f} ms per step; {split or unsplit}"


def _component_advice(components: dict[str, dict[str, Any]], threshold_pct: float) -> Iterator[str]:
    hot = {name: found["percentage"] for name, found in components.items() if found["is_hotspot"]}
    for name, share in hot.items():
        target = "; optimize this first" if share == max(hot.values()) else ""
        yield f"{name.capitalize()} takes {share:.1f} % of a step (threshold {threshold_pct:g} %){target}"


def _memory_advice(result: MDProfileResult, judged: str) -> Iterator[str]:
    if judged.startswith("flagged"):
        yield f"Memory leak: growth {judged}; run instrumented-calc report on the journal to find its start"
        return
    increase = result.memory_delta_gb * MIB_PER_GIB
    if increase > MOST_GROWTH_MIB and not judged.startswith("clear"):
        evidence = f"growth: {judged}" if judged else "first against last sample only"
        yield (
            f"Memory leak possible: {increase:.2f} MiB more at the end than at the start (threshold "
            f"{MOST_GROWTH_MIB:g} MiB; {evidence}); profile a longer trajectory"
        )


def _latency_advice(result: MDProfileResult, recorded: RecordedProfile | None) -> Iterator[str]:
    if not result.mean_latency_ms or (recorded and len(result.latencies_ms) < FEWEST_LATENCIES):
        return
    spread = 100.0 * result.std_latency_ms / result.mean_latency_ms
    if spread > MOST_CV_PCT:
        yield (
            f"High latency variance: standard deviation {spread:.1f} % of the mean (threshold "
            f"{MOST_CV_PCT:g} %); check the slowest steps"
        )
    tail = result.p99_latency_ms / result.mean_latency_ms
    if tail > MOST_TAIL:
        slowest = recorded.slowest_frame if recorded else None
        where = "" if slowest is None else f"; the slowest is frame {slowest}"
        yield f"Long latency tail: P99 is {tail:.1f} times the mean (threshold {MOST_TAIL:g}){where}"
