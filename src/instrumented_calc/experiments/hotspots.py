"""Where the time of a profiled trajectory went, by the thresholds of the MLFF-Distiller profiler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.experiments.md_result import MDProfileResult

MOST_CV = 0.20
MOST_TAIL = 2.0
# Fewer latencies tell nothing about spread and tail.
FEWEST_LATENCIES = 20


def identify_hotspots(result: MDProfileResult, threshold_pct: float = 10.0) -> dict[str, Any]:
    """Return which parts take more than a share of the mean latency.

    `components` has energy, forces and stress only where they are separable; `parts` has all timed parts. A
    share says where time goes, not that it could be saved: `is_hotspot` is kept for those who read it.

    Args:
        result: A profile.
        threshold_pct: Share of the mean latency, in percent, above which something is marked.

    Returns:
        `summary`, `total_time_ms`, `components` and `parts` (`time_ms`, `percentage`, `is_hotspot` by name),
        `recommendations` (lines of text), and `verdicts` (of our own analysis).
    """
    groups = {
        "energy": result.energy_time_ms,
        "forces": result.forces_time_ms,
        "stress": result.stress_time_ms,
    }
    separable = {name: time for name, time in groups.items() if time is not None}
    components = _shares(separable, result.mean_latency_ms, threshold_pct)
    parts = _shares(result.parts_ms, result.mean_latency_ms, threshold_pct)
    return {
        "summary": _summary(result, components),
        "total_time_ms": result.mean_latency_ms,
        "components": components,
        "parts": parts,
        "recommendations": list(_recommendations(result, components, threshold_pct)),
        "verdicts": {"memory": result.memory_verdict} if result.memory_verdict else {},
    }


def _shares(times: dict[str, float], total: float, threshold_pct: float) -> dict[str, dict[str, Any]]:
    shares = {name: 100.0 * time / total for name, time in times.items()} if total else {}
    return {
        name: {"time_ms": times[name], "percentage": share, "is_hotspot": share > threshold_pct}
        for name, share in shares.items()
    }


def _summary(result: MDProfileResult, components: dict[str, dict[str, Any]]) -> str:
    split = ", ".join(f"{name} {found['percentage']:.1f} %" for name, found in components.items())
    unsplit = "energy, forces and stress come from one pass and cannot be told apart"
    return f"{result.name}: {result.mean_latency_ms:.3f} ms a frame; {split or unsplit}"


def _recommendations(
    result: MDProfileResult, components: dict[str, dict[str, Any]], threshold_pct: float
) -> Iterator[str]:
    marked = {name: found["percentage"] for name, found in components.items() if found["is_hotspot"]}
    for name, share in marked.items():
        target = ", the main target" if share == max(marked.values()) else ""
        yield f"{name} takes {share:.1f} % of a frame (legacy mark: more than {threshold_pct:g} %){target}"
    if result.memory_verdict.startswith("flagged"):
        yield f"memory grows, {result.memory_verdict}: instrumented-calc report shows since when"
    elif result.memory_stable is False:
        yield (
            "memory changed by 10 MiB or more between the first and the last frame (legacy mark); growth: "
            f"{result.memory_verdict or 'not judged'}"
        )
    if len(result.latencies_ms) < FEWEST_LATENCIES:
        return
    spread = result.std_latency_ms / result.mean_latency_ms
    if spread > MOST_CV:
        yield f"latency varies by {100 * spread:.0f} % of its mean: look at the slowest calls in the report"
    tail = result.p99_latency_ms / result.mean_latency_ms
    if tail > MOST_TAIL:
        yield f"P99 is {tail:.1f} times the mean, the longest at frame {result.slowest_frame}"
