"""The profile of a trajectory as a block of text, with the labels of the MLFF-Distiller profiler."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from instrumented_calc.experiments.md_result import MDProfileResult

WIDTH = 80
RULE = "=" * WIDTH
LABEL = 13
MIB_PER_GIB = 1024


def result_text(result: MDProfileResult, *details: Iterable[str]) -> str:
    """Return the figures of a profile, one per line, between rules of 80 columns.

    Args:
        result: The profile.
        *details: Further sections, each as lines of text.
    """
    title = f"MD profile: {result.name}"
    sections = [
        _identity(result),
        _latency(result),
        _components(result),
        _throughput(result),
        _memory(result),
        *details,
        textwrap.wrap(f"Notes: {result.notes}", WIDTH) if result.notes else (),
    ]
    blocks = ["\n".join(lines) for lines in map(list, sections) if lines]
    return "\n".join([RULE, title, RULE, "\n\n".join(blocks), RULE])


def line(label: str, value: str) -> str:
    """Return an indented line: the label, a colon, and the value in a column of its own."""
    return f"  {label + ':':<{LABEL}}{value}"


def latency_lines(mean: float, std: float, *others: float) -> Iterator[str]:
    """Yield a line for each of mean and std, median, min, max, p95 and p99, all in ms."""
    yield line("Mean", f"{mean:10.4f} ms +- {std:.4f}")
    for label, value in zip(("Median", "Min", "Max", "P95", "P99"), others, strict=True):
        yield line(label, f"{value:10.4f} ms")


def _identity(result: MDProfileResult) -> Iterator[str]:
    yield f"Model: {result.model_name}"
    yield f"Device: {result.device}"
    yield f"Trajectory steps: {result.n_steps}"
    atoms = (
        "not known, or not the same in all frames" if result.n_atoms is None else f"{result.n_atoms} atoms"
    )
    yield f"System size: {atoms}{f', {result.system_size}' if result.system_size else ''}"


def _latency(result: MDProfileResult) -> Iterator[str]:
    yield "Latency per step:"
    yield from latency_lines(
        result.mean_latency_ms,
        result.std_latency_ms,
        result.median_latency_ms,
        result.min_latency_ms,
        result.max_latency_ms,
        result.p95_latency_ms,
        result.p99_latency_ms,
    )
    if result.us_per_atom is not None:
        yield line("Per atom", f"{result.us_per_atom:10.4f} us/atom")


def _components(result: MDProfileResult) -> Iterator[str]:
    times = {
        "Energy": result.energy_time_ms,
        "Forces": result.forces_time_ms,
        "Stress": result.stress_time_ms,
    }
    separate = {name: time for name, time in times.items() if time is not None}
    if separate:
        yield "Component timing:"
    for name, time in separate.items():
        yield line(name, f"{time:10.4f} ms")


def _throughput(result: MDProfileResult) -> Iterator[str]:
    yield "Throughput:"
    speed, total = result.steps_per_second, result.total_time_s
    yield line("Steps/sec", f"{speed:10.1f}" if speed else "not measured")
    yield line("Total time", f"{total:10.2f} s" if total else "not measured")


def _memory(result: MDProfileResult) -> Iterator[str]:
    yield "Memory (GiB):"
    if not result.memory_measured:
        yield line("Status", "not measured")
        return
    yield line("Initial", f"{result.memory_initial_gb:10.4f}")
    yield line("Final", f"{result.memory_final_gb:10.4f}")
    yield line("Delta", f"{result.memory_delta_gb:+10.4f}")
    yield line("Peak", f"{result.memory_peak_gb:10.4f}")
    change = abs(result.memory_delta_gb) * MIB_PER_GIB
    if result.memory_stable:
        yield line("Status", "stable (last sample within 10 MiB of the first)")
    elif result.memory_delta_gb > 0:
        yield line("Status", f"WARNING: memory increased by {change:.2f} MiB, possibly a leak")
    else:
        yield line("Status", f"not stable: memory decreased by {change:.2f} MiB")
