"""The profile of a trajectory as a block of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.experiments.md_result import MDProfileResult

WIDTH = 80
# With fewer latencies the 99th percentile is the longest of them.
FEWEST_FOR_P99 = 100
MIB_PER_GIB = 1024


def result_text(result: MDProfileResult) -> str:
    """Return the figures of a profile, a line each, between rules of 80 columns."""
    rule = "=" * WIDTH
    lines = [rule, f"{result.name}: {result.model_name} on {result.device}", rule]
    lines += [
        *_latency(result),
        *_apart(result),
        *_parts(result),
        *_memory(result),
    ]
    lines += [f"{'Notes':<12}{result.notes}"] if result.notes else []
    lines += [f"{'Journal':<12}{result.journal}"] if result.journal else []
    return "\n".join([*lines, rule])


def _latency(result: MDProfileResult) -> Iterator[str]:
    yield f"{'Frames':<12}{result.n_steps}, {_atoms(result)}"
    yield (
        f"{'Latency':<12}mean {result.mean_latency_ms:.3f} +- {result.std_latency_ms:.3f} ms, "
        f"median {result.median_latency_ms:.3f}, min {result.min_latency_ms:.3f} (host time)"
    )
    longest = " (the longest)" if len(result.latencies_ms) < FEWEST_FOR_P99 else ""
    where = "" if result.slowest_frame is None else f" at frame {result.slowest_frame}"
    yield (
        f"{'':<12}P95 {result.p95_latency_ms:.3f}, P99 {result.p99_latency_ms:.3f}{longest}, "
        f"max {result.max_latency_ms:.3f}{where}"
    )
    if result.us_per_atom is not None:
        yield f"{'':<12}{result.us_per_atom:.3f} us per atom"
    if result.steps_per_second is not None and result.total_time_s is not None:
        yield f"{'Throughput':<12}{result.steps_per_second:.2f} frames/s, {result.total_time_s:.3f} s"


def _atoms(result: MDProfileResult) -> str:
    formula = f" ({result.system_size})" if result.system_size else ""
    return f"{result.n_atoms} atoms{formula}" if result.n_atoms else f"of differing sizes{formula}"


def _apart(result: MDProfileResult) -> Iterator[str]:
    if result.first_call_ms is not None:
        yield f"{'Apart':<12}first call {result.first_call_ms:.3f} ms"
    if result.warmup_frames and result.warmup_ms is not None:
        yield f"{'':<12}{result.warmup_frames} warm-up frames, {result.warmup_ms:.3f} ms"
    if result.compiled_frames and result.compiled_ms is not None:
        yield f"{'':<12}{result.compiled_frames} frames that compiled, {result.compiled_ms:.3f} ms"
    if result.calculations is not None:
        yield f"{'Calls':<12}{result.calculations} calculations, {result.cache_hits} cache hits"


def _parts(result: MDProfileResult) -> Iterator[str]:
    times = {
        "energy": result.energy_time_ms,
        "forces": result.forces_time_ms,
        "stress": result.stress_time_ms,
    }
    told = [f"{name} {time:.3f} ms" for name, time in times.items() if time is not None]
    yield f"{'Components':<12}{', '.join(told) or 'energy, forces and stress are not separable'}"
    for name, time in result.parts_ms.items():
        yield f"{'':<12}{name:<40}{time:12.3f} ms"


def _memory(result: MDProfileResult) -> Iterator[str]:
    first, last, peak = result.memory_initial_gb, result.memory_final_gb, result.memory_peak_gb
    if first is None or last is None or peak is None:
        yield f"{'Memory':<12}not measured"
        return
    source = f"{result.memory_source}: " if result.memory_source else ""
    stable = "stable" if result.memory_stable else "not stable"
    yield f"{'Memory':<12}{source}first {first:.4f}, last {last:.4f}, peak {peak:.4f} GiB"
    yield f"{'':<12}{(last - first) * MIB_PER_GIB:+.2f} MiB: {stable} (legacy mark: two samples, 10 MiB)"
    if result.memory_verdict:
        yield f"{'':<12}growth: {result.memory_verdict}"
