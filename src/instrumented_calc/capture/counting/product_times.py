"""Times the longest contractions of a run as matrix products, once, when the run is closed.

On arrays of ones, in memory of its own, on the host only, within a few milliseconds of CPU time.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from instrumented_calc.journal.operand_text import dtype_of, operand_text, shape_of
from instrumented_calc.journal.records import ProductTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.einsum_rewriting import Rewriting

MOST_NS = 50_000_000  # for all of them
LEAST_NS = 500_000  # for one: less does not pay for compiling the code
MOST_TIMED = 3  # contractions
FEWEST_TIMES, MOST_TIMES = 3, 100  # rounds
ROUND_NS = 20_000  # reading the clock and calling the code must not count
MOST_ELEMENTS = 2_000_000
# Time of a multiply-accumulate before anything was timed: a product that waits for memory.
SLOW_NS = 1.0
TRIAL_SHARE = 4  # divisor: part of the time for the first trial, with small operands
WAITING = 4  # the wall time is at most this many times the CPU time that is allowed
DTYPES = ("float32", "float64", "complex64", "complex128")


class Wanted(NamedTuple):
    """A contraction to be timed as matrix products."""

    equation: str
    library: str
    operands: tuple[str, ...]


def time_products(wanted: Sequence[Wanted], budget_ns: float) -> list[ProductTime]:
    """Time contractions as matrix products.

    Args:
        wanted: The contractions, the most important first.
        budget_ns: CPU time that this may take in all, in ns; at most `MOST_NS` is used.

    Returns:
        The times; contractions that have no such form, or for which no time is left, are missing.
    """
    spent = _meter()
    budget = min(budget_ns, MOST_NS)
    found: list[ProductTime] = []
    for waiting, each in zip(range(min(len(wanted), MOST_TIMED), 0, -1), wanted, strict=False):
        share = (budget - spent()) / waiting
        if share < LEAST_NS:
            break
        timed = _timed(each, share)
        if timed is not None:
            found.append(timed)
    return found


def _timed(wanted: Wanted, budget_ns: float) -> ProductTime | None:
    """Time one contraction: with small operands first, then with the largest for which there is time."""
    spent = _meter()
    dtypes, shapes = map(dtype_of, wanted.operands), [shape_of(each) for each in wanted.operands]
    library: Any = sys.modules.get(wanted.library)
    on_host = not any("@" in each for each in wanted.operands)
    known = [each for each in shapes if each is not None]
    kinds = {str(each) for each in dtypes}
    if library is None or not on_host or len(known) < len(shapes) or not kinds.issubset(DTYPES):
        return None
    from instrumented_calc.einsum_rewriting import compiled, rewrite

    rewriting = rewrite(wanted.equation, known, wanted.library)
    if rewriting is None:
        return None
    run = compiled(rewriting.code)
    best: tuple[Rewriting, list[int]] | None = None
    ns_per_mac = SLOW_NS
    for part in (TRIAL_SHARE, 1):
        allowed = (budget_ns - spent()) / part
        smaller = rewriting.within(allowed / (FEWEST_TIMES + 3) / ns_per_mac, MOST_ELEMENTS)
        if allowed <= 0 or (best is not None and smaller.macs < best[0].macs):
            break
        arrays = _ones(library, wanted.operands, smaller.shapes)
        best = smaller, _times(run, arrays, spent, spent() + allowed if part == 1 else 0)
        ns_per_mac = _median(best[1]) / smaller.macs
    if best is None:
        return None
    texts = [
        operand_text(str(dtype_of(operand)), shape)
        for operand, shape in zip(wanted.operands, best[0].shapes, strict=True)
    ]
    median = _median(best[1])
    return ProductTime(wanted.equation, wanted.library, texts, median, len(best[1]))


def _ones(library: Any, operands: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    where = {} if library.__name__ == "numpy" else {"device": "cpu"}  # the default may be a GPU
    return [
        library.ones(shape, dtype=getattr(library, str(dtype_of(operand))), **where)
        for operand, shape in zip(operands, shapes, strict=True)
    ]


def _times(
    run: Callable[[list[Any], int], Any], arrays: list[Any], spent: Callable[[], float], until_ns: float
) -> list[int]:
    """Return the mean time of an execution in each of several rounds, after some that only warm up."""
    torch: Any = sys.modules.get("torch")
    unrecorded = contextlib.nullcontext() if torch is None else torch.no_grad()
    clock = time.perf_counter_ns
    found: list[int] = []
    with unrecorded:
        run(arrays, 1)
        start = clock()
        run(arrays, 1)
        repeats = max(ROUND_NS // max(clock() - start, 1), 1)
        while len(found) < FEWEST_TIMES or (spent() < until_ns and len(found) < MOST_TIMES):
            start = clock()
            run(arrays, repeats)
            found.append((clock() - start) // repeats)
    return found


def _median(times: Sequence[int]) -> int:
    return sorted(times)[len(times) // 2]


def _meter() -> Callable[[], float]:
    """Return a function: CPU time of all threads since now, ns; on a busy machine a part of the wall time."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    return lambda: max(time.process_time_ns() - cpu, (time.perf_counter_ns() - wall) / WAITING)
