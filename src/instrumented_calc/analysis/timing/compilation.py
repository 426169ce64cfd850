"""Just-in-time compilation inside calls: which calls waited for it, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls


@dataclass(frozen=True, slots=True)
class Compilation:
    """What was compiled while calls waited.

    Attributes:
        calls: Indices of the outermost calls in which something was compiled, nested ones included.
        calls_ns: Sum of the durations of those calls, ns.
        compile_ns: Time in compilation, ns; a part of `calls_ns`.
        functions: That time by function, ns, the longest first.
    """

    calls: list[int]
    calls_ns: int
    compile_ns: int
    functions: dict[str, int]


def measure_compilation(calls: Calls) -> Compilation | None:
    """Return what the rows tell of compilation, None where nothing was compiled."""
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
    """Return the time in compilation by function of one row, ns; empty where nothing was compiled."""
    compiled = calls.compiled
    place = int(np.searchsorted(compiled.rows, row))
    found = place < len(compiled) and compiled.rows[place] == row
    times: dict[str, int] = compiled.values[place] if found else {}
    return times
