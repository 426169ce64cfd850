"""The result of a benchmark, with the fields and JSON keys of the MLFF-Distiller profiler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller.statistics import STATISTICS, latency_statistics
from instrumented_calc.experiments.mlff_distiller.text import RULE, latency_lines, line

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class BenchmarkResult:
    """Times and memory of a number of calls.

    Attributes:
        name: Name of the benchmark.
        n_calls: Number of calls.
        times_ms: One time per call, ms; at least one.
        memory_before_gb: Memory before the first call, GiB: allocated on the device for CUDA, else resident
            memory of the process.
        memory_after_gb: The same after the last call.
        peak_memory_gb: Largest value of the same during the calls.
        device: Device on which the calls were timed.
        mean_ms: Mean time.
        std_ms: Standard deviation (n - 1).
        median_ms: Median time.
        min_ms: Shortest time.
        max_ms: Longest time.
        p95_ms: 95th percentile, a time that occurred.
        p99_ms: 99th percentile, a time that occurred.

    Raises:
        ExperimentError: There are no times.
    """

    name: str
    n_calls: int
    times_ms: list[float]
    memory_before_gb: float
    memory_after_gb: float
    peak_memory_gb: float
    device: str
    mean_ms: float = field(init=False)
    std_ms: float = field(init=False)
    median_ms: float = field(init=False)
    min_ms: float = field(init=False)
    max_ms: float = field(init=False)
    p95_ms: float = field(init=False)
    p99_ms: float = field(init=False)

    def __post_init__(self) -> None:
        """Compute the statistics."""
        if not len(self.times_ms):
            message = f"benchmark {self.name!r} has no times: measure at least one call"
            raise ExperimentError(message)
        for each, value in latency_statistics(self.times_ms).items():
            setattr(self, f"{each}_ms", value)

    @property
    def memory_delta_gb(self) -> float:
        """Memory after the calls minus memory before, GiB."""
        return self.memory_after_gb - self.memory_before_gb

    @property
    def total_time_s(self) -> float:
        """Sum of all times, s."""
        return sum(self.times_ms) / 1e3

    @property
    def calls_per_second(self) -> float:
        """Calls per second of total time; 0.0 if no time passed."""
        return self.n_calls / self.total_time_s if self.total_time_s else 0.0

    def summary(self) -> str:
        """Return the figures as a block of text, 80 columns wide."""
        statistics = [getattr(self, f"{each}_ms") for each in STATISTICS]
        memory = (self.memory_before_gb, self.memory_after_gb, self.memory_delta_gb, self.peak_memory_gb)
        lines = [
            *(RULE, f"Benchmark: {self.name}", RULE),
            *(f"Device: {self.device}", f"Calls: {self.n_calls}"),
            *("", "Latency per call:", *latency_lines(*statistics)),
            *("", "Throughput:", line("Calls/sec", f"{self.calls_per_second:10.1f}")),
            line("Total time", f"{self.total_time_s:10.2f} s"),
            *("", "Memory (GiB):"),
            *map(line, ("Before", "After", "Delta", "Peak"), (f"{each:10.4f}" for each in memory)),
            RULE,
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures in groups, ready for JSON; single times are not included."""
        return {
            "name": self.name,
            "n_calls": self.n_calls,
            "device": self.device,
            "latency_ms": {each: getattr(self, f"{each}_ms") for each in STATISTICS},
            "throughput": {
                "calls_per_second": self.calls_per_second,
                "total_time_s": self.total_time_s,
            },
            "memory_gb": {
                "before": self.memory_before_gb,
                "after": self.memory_after_gb,
                "delta": self.memory_delta_gb,
                "peak": self.peak_memory_gb,
            },
        }


def print_comparison_table(results: Mapping[str, BenchmarkResult]) -> None:
    """Print benchmarks as a table; speed-ups are those of the mean against the first one."""
    print(  # noqa: T201 - its purpose
        f"{'Implementation':<24}{'Mean ms':>12}{'Std ms':>10}{'P95 ms':>12}{'Calls/s':>12}"
        f"{'Memory GiB':>12}{'Speedup':>10}"
    )
    first = next(iter(results.values()), None)
    for name, each in results.items():
        faster = f"{first.mean_ms / each.mean_ms:.2f}x" if first and each.mean_ms else "-"
        print(  # noqa: T201 - its purpose
            f"{name:<24}{each.mean_ms:>12.4f}{each.std_ms:>10.4f}{each.p95_ms:>12.4f}"
            f"{each.calls_per_second:>12.1f}{each.peak_memory_gb:>12.4f}{faster:>10}"
        )
