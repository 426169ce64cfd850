"""The flight recorder for atomistic simulation.

Wrapping a calculator turns every *real* `calculate()` into a record; records stream to a *journal* (one
JSONL file); *analysis* turns a journal into numbers and findings; *reporting* shows them. Nothing else.

```python
from instrumented_calc import ProfiledCalculator

atoms.calc = ProfiledCalculator(EMT())
```

Importing this package pulls in neither ASE nor numpy: public names are resolved when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from instrumented_calc._version import __version__ as __version__

if TYPE_CHECKING:
    from instrumented_calc.api import ProfiledCalculator, Trace, profiled, recording, span
    from instrumented_calc.experiments.mlff_distiller.benchmark import (
        benchmark_function,
        benchmark_md_trajectory,
        compare_implementations,
    )
    from instrumented_calc.experiments.mlff_distiller.benchmark_result import (
        BenchmarkResult,
        print_comparison_table,
    )
    from instrumented_calc.experiments.mlff_distiller.hotspots import identify_hotspots
    from instrumented_calc.experiments.mlff_distiller.profiler import (
        MDProfiler,
        comparison_table,
        profile_md_trajectory,
    )
    from instrumented_calc.experiments.mlff_distiller.result import MDProfileResult
    from instrumented_calc.experiments.mlff_distiller.timer import CUDATimer, timer_context
    from instrumented_calc.experiments.mlff_distiller.whole_block import ProfilerContext, profile_with_nsys

__all__ = [
    "BenchmarkResult",
    "CUDATimer",
    "MDProfileResult",
    "MDProfiler",
    "ProfiledCalculator",
    "ProfilerContext",
    "Trace",
    "benchmark_function",
    "benchmark_md_trajectory",
    "compare_implementations",
    "comparison_table",
    "identify_hotspots",
    "print_comparison_table",
    "profile_md_trajectory",
    "profile_with_nsys",
    "profiled",
    "recording",
    "span",
    "timer_context",
]

_EXPERIMENTS = {
    "BenchmarkResult": "benchmark_result",
    "CUDATimer": "timer",
    "MDProfileResult": "result",
    "MDProfiler": "profiler",
    "ProfilerContext": "whole_block",
    "benchmark_function": "benchmark",
    "benchmark_md_trajectory": "benchmark",
    "compare_implementations": "benchmark",
    "comparison_table": "profiler",
    "identify_hotspots": "hotspots",
    "print_comparison_table": "benchmark_result",
    "profile_md_trajectory": "profiler",
    "profile_with_nsys": "whole_block",
    "timer_context": "timer",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = f"experiments.mlff_distiller.{_EXPERIMENTS[name]}" if name in _EXPERIMENTS else "api"
        return getattr(import_module(f"instrumented_calc.{home}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
