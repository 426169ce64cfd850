"""Benchmarks of any function, with the interface of the MLFF-Distiller profiler."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from instrumented_calc.analysis.statistics.growth import judge_growth
from instrumented_calc.experiments.mlff_distiller.benchmark_result import BenchmarkResult
from instrumented_calc.experiments.mlff_distiller.timer import CUDATimer, cuda_of
from instrumented_calc.experiments.ranges import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

GIB = 2**30
MIB = 2**20
MOST_CALLS = 10_000_000  # whose times and memory take 160 MB


def benchmark_function(  # noqa: D417 - args and kwargs are described together
    func: Callable[..., Any],
    *args: Any,
    n_warmup: int = 10,
    n_calls: int = 100,
    device: Any = None,
    name: str = "Function",
    **kwargs: Any,
) -> BenchmarkResult:
    """Time a number of identical calls.

    Args:
        func: Function to call with `*args` and `**kwargs`.
        n_warmup: Number of preceding calls, not timed.
        n_calls: Number of timed calls, at least 1.
        device: `torch.device` or its name; by default CUDA if torch is loaded and has it, else the CPU.
        name: Name of the result.

    Raises:
        ExperimentError: A number is out of range.
    """
    check_whole("n_warmup", n_warmup, 0, MOST_CALLS)
    check_whole("n_calls", n_calls, 1, MOST_CALLS)
    for _ in range(n_warmup):
        func(*args, **kwargs)
    return _measure(lambda _: func(*args, **kwargs), n_calls, device, name)[0]


def benchmark_md_trajectory(  # noqa: PLR0913, PLR0917 - the other profiler's signature
    model_func: Callable[[Any], Any],
    inputs: Sequence[Any],
    n_warmup: int = 10,
    device: Any = None,
    name: str = "MD Trajectory",
    check_memory_leak: bool = True,
    leak_tolerance_mb: float = 10.0,
) -> BenchmarkResult:
    """Time one call per input, and warn with a RuntimeWarning if memory keeps growing.

    Args:
        model_func: Function of one input.
        inputs: At least one.
        n_warmup: Number of inputs, the first ones, that are also run before, not timed.
        device: `torch.device` or its name; by default CUDA if torch is loaded and has it, else the CPU.
        name: Name of the result.
        check_memory_leak: Whether to warn.
        leak_tolerance_mb: Increase, MiB, up to which there is no warning.

    Raises:
        ExperimentError: There are no inputs, or `n_warmup` is out of range.
    """
    check_whole("n_warmup", n_warmup, 0, MOST_CALLS)
    check_whole("number of inputs", len(inputs), 1, MOST_CALLS)
    for each in inputs[:n_warmup]:
        model_func(each)
    result, memory = _measure(lambda index: model_func(inputs[index]), len(inputs), device, name)
    increase = result.memory_delta_gb * GIB / MIB
    if check_memory_leak and increase > leak_tolerance_mb:
        # Two samples cannot distinguish a leak from a cache that fills once: the whole series is judged.
        growth = judge_growth(np.arange(len(memory), dtype=np.float64), memory)
        if growth.verdict == "flagged":
            warnings.warn(
                f"{name}: memory grew by {increase:.2f} MiB in {len(inputs)} calls: {growth.reason}",
                RuntimeWarning,
                stacklevel=2,
            )
    return result


def compare_implementations(  # noqa: D417 - args and kwargs are described together
    implementations: Mapping[str, Callable[..., Any]],
    *args: Any,
    n_warmup: int = 10,
    n_calls: int = 100,
    device: Any = None,
    **kwargs: Any,
) -> dict[str, BenchmarkResult]:
    """Benchmark several functions with the same arguments, `*args` and `**kwargs`.

    Args:
        implementations: Functions by name.
        n_warmup: As for `benchmark_function`.
        n_calls: As for `benchmark_function`.
        device: As for `benchmark_function`.

    Raises:
        ExperimentError: A number is out of range.
    """
    options: dict[str, Any] = {"n_warmup": n_warmup, "n_calls": n_calls, "device": device, **kwargs}
    return {
        name: benchmark_function(function, *args, name=name, **options)
        for name, function in implementations.items()
    }


def _measure(
    call: Callable[[int], Any], n_calls: int, device: Any, name: str
) -> tuple[BenchmarkResult, NDArray[np.float64]]:
    """Time calls; return the result, and the memory before all and after each, bytes, (n_calls + 1,)."""
    cuda = cuda_of(device)
    # Labelled by where it is timed: without torch's CUDA that is the host, whatever was requested.
    device = "cpu" if cuda is None else device or "cuda"
    process = psutil.Process()

    def memory_now() -> int:
        return int(process.memory_info().rss if cuda is None else cuda.memory_allocated(device))

    if cuda is not None:
        cuda.synchronize(device)
        cuda.reset_peak_memory_stats(device)
    timer = CUDATimer(device)
    # Allocated in advance: growing lists would look like a leak of the function.
    times, memory = np.full(n_calls, np.nan), np.full(n_calls + 1, np.nan)
    memory[0] = memory_now()
    for index in range(n_calls):
        timer.start()
        call(index)
        times[index] = timer.stop()
        memory[index + 1] = memory_now()
    peak = memory.max() if cuda is None else cuda.max_memory_allocated(device)
    result = BenchmarkResult(
        name=name,
        n_calls=n_calls,
        times_ms=times.tolist(),
        memory_before_gb=float(memory[0]) / GIB,
        memory_after_gb=float(memory[-1]) / GIB,
        peak_memory_gb=float(peak) / GIB,
        device=str(device),
    )
    return result, memory
