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

if TYPE_CHECKING:
    from instrumented_calc.experiments.hotspots import identify_hotspots
    from instrumented_calc.experiments.md_profiler import (
        MDProfiler,
        comparison_table,
        profile_md_trajectory,
    )
    from instrumented_calc.experiments.md_result import MDProfileResult
    from instrumented_calc.run import ProfiledCalculator, Trace, profiled, recording, span

__version__ = "0.1.0"

__all__ = [
    "MDProfileResult",
    "MDProfiler",
    "ProfiledCalculator",
    "Trace",
    "comparison_table",
    "identify_hotspots",
    "profile_md_trajectory",
    "profiled",
    "recording",
    "span",
]

_EXPERIMENTS = {
    "MDProfileResult": "md_result",
    "MDProfiler": "md_profiler",
    "comparison_table": "md_profiler",
    "identify_hotspots": "hotspots",
    "profile_md_trajectory": "md_profiler",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = f"experiments.{_EXPERIMENTS[name]}" if name in _EXPERIMENTS else "run"
        return getattr(import_module(f"instrumented_calc.{home}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
