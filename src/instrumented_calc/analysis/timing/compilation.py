"""Just-in-time compilation inside calls: which calls waited for it, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls

# Number of calls that wait for compilation after the start from which a program is said to recompile: during
# the run and at its end. Uncalibrated.
RECOMPILED_CALLS = 3


@dataclass(frozen=True, slots=True)
class Compilation:
    """Compilation while calls waited.

    Attributes:
        calls: Indices of the outermost calls with compilation, in nested calls too.
        calls_ns: Sum of the durations of these calls, ns.
        compile_ns: Time in compilation, ns; a part of `calls_ns`.
        functions: Compilation time by function, ns, longest first.
    """

    calls: list[int]
    calls_ns: int
    compile_ns: int
    functions: dict[str, int]


def measure_compilation(calls: Calls) -> Compilation | None:
    """Return the compilation recorded in the rows, or None if nothing was compiled."""
    functions: dict[str, int] = {}
    for times in calls.compiled.values:
        for name, elapsed in times.items():
            functions[name] = functions.get(name, 0) + elapsed
    if not functions:
        return None
    outermost = np.flatnonzero(calls.compiling & ~calls.nested)
    return Compilation(
        calls=sorted(calls.index[outermost].tolist()),
        calls_ns=int(calls.wall_ns[outermost].sum(dtype=np.int64)),
        compile_ns=sum(functions.values()),
        functions=dict(sorted(functions.items(), key=lambda item: -item[1])),
    )


def times_at(calls: Calls, row: int) -> dict[str, int]:
    """Return the compilation time by function of one row, ns; empty if nothing was compiled."""
    compiled = calls.compiled
    place = int(np.searchsorted(compiled.rows, row))
    found = place < len(compiled) and compiled.rows[place] == row
    times: dict[str, int] = compiled.values[place] if found else {}
    return times
