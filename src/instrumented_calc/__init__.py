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
    from instrumented_calc.api import (
        Handle,
        ProfiledCalculator,
        Run,
        Trace,
        profiled,
        recording,
        report,
        span,
    )
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
    from instrumented_calc.journal.reader import read_journal
    from instrumented_calc.reporting.run.report_object import Report

__all__ = [
    "BenchmarkResult",
    "CUDATimer",
    "Handle",
    "MDProfileResult",
    "MDProfiler",
    "ProfiledCalculator",
    "ProfilerContext",
    "Report",
    "Run",
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
    "read_journal",
    "recording",
    "report",
    "span",
    "timer_context",
]

# Where a public name is defined, if not in `api`.
_HOMES = {
    "BenchmarkResult": "experiments.mlff_distiller.benchmark_result",
    "CUDATimer": "experiments.mlff_distiller.timer",
    "MDProfileResult": "experiments.mlff_distiller.result",
    "MDProfiler": "experiments.mlff_distiller.profiler",
    "ProfilerContext": "experiments.mlff_distiller.whole_block",
    "benchmark_function": "experiments.mlff_distiller.benchmark",
    "benchmark_md_trajectory": "experiments.mlff_distiller.benchmark",
    "compare_implementations": "experiments.mlff_distiller.benchmark",
    "comparison_table": "experiments.mlff_distiller.profiler",
    "identify_hotspots": "experiments.mlff_distiller.hotspots",
    "print_comparison_table": "experiments.mlff_distiller.benchmark_result",
    "profile_md_trajectory": "experiments.mlff_distiller.profiler",
    "profile_with_nsys": "experiments.mlff_distiller.whole_block",
    "timer_context": "experiments.mlff_distiller.timer",
    "Report": "reporting.run.report_object",
    "read_journal": "journal.reader",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"instrumented_calc.{_HOMES.get(name, 'api')}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
