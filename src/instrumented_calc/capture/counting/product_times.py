"""Times the longest contractions of a run as matrix products, once, when the run is closed.

On arrays of ones, in memory of its own, on the host only, within a few milliseconds of CPU time.
"""

from __future__ import annotations

import contextlib
import math
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
    """A contraction to be timed as matrix products.

    Attributes:
        equation: The einsum equation.
        library: `numpy` or `torch`.
        operands: `dtype[shape]` of each operand.
        optimize: Whether `optimize` was passed to numpy.
        ns: Mean time of one call in the run, ns; infinite if unknown.
    """

    equation: str
    library: str
    operands: tuple[str, ...]
    optimize: bool = False
    ns: float = math.inf


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
    small, rounds = _best_rounds(wanted, rewriting, spent, budget_ns)
    if not rounds:
        return None
    texts = [
        operand_text(str(dtype_of(operand)), shape)
        for operand, shape in zip(wanted.operands, small.shapes, strict=True)
    ]
    found = ProductTime(wanted.equation, wanted.library, texts, _median(rounds), len(rounds), wanted.optimize)
    enough = wanted.ns * (FEWEST_TIMES + 2) <= budget_ns - spent()
    if small.shapes == known and enough:
        arrays = _ones(library, wanted.operands, known)
        runs = compiled(rewriting.code), _einsum(library, wanted)
        products, einsums = _rounds_in_turn(runs, arrays, spent, budget_ns)
        # Only times of the same moments are comparable: other work comes and goes.
        found.ns, found.einsum_ns, found.rounds = _median(products), _median(einsums), len(products)
    return found


def _best_rounds(
    wanted: Wanted, rewriting: Rewriting, spent: Callable[[], float], budget_ns: float
) -> tuple[Rewriting, list[int]]:
    """Time the code with small operands, then with the largest for which there is time; keep the latter.

    Returns:
        The code with these operands, and the rounds: none if no time was left.
    """
    from instrumented_calc.einsum_rewriting import compiled

    library, run = sys.modules[wanted.library], compiled(rewriting.code)
    best: tuple[Rewriting, list[int]] = rewriting, []
    ns_per_mac = SLOW_NS
    for part in (TRIAL_SHARE, 2):  # the other half is for the einsum itself
        allowed = (budget_ns - spent()) / part
        small = rewriting.within(allowed / (FEWEST_TIMES + 3) / ns_per_mac, MOST_ELEMENTS)
        if allowed <= 0 or (best[1] and small.macs < best[0].macs):
            break
        until = 0 if part == TRIAL_SHARE else spent() + allowed
        best = small, _rounds(run, _ones(library, wanted.operands, small.shapes), spent, until)
        ns_per_mac = _median(best[1]) / small.macs
    return best


def _einsum(library: Any, wanted: Wanted) -> Callable[[list[Any], int], Any]:
    options = {"optimize": True} if wanted.optimize else {}

    def run(arrays: list[Any], times: int) -> None:
        for _ in range(times):
            library.einsum(wanted.equation, *arrays, **options)

    return run


def _ones(library: Any, operands: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    where = {} if library.__name__ == "numpy" else {"device": "cpu"}  # the default may be a GPU
    return [
        library.ones(shape, dtype=getattr(library, str(dtype_of(operand))), **where)
        for operand, shape in zip(operands, shapes, strict=True)
    ]


def _rounds(
    run: Callable[[list[Any], int], Any], arrays: list[Any], spent: Callable[[], float], until_ns: float
) -> list[int]:
    """Return the mean time of an execution in each of several rounds, after some that only warm up."""
    return _rounds_in_turn((run,), arrays, spent, until_ns)[0]


def _rounds_in_turn(
    runs: Sequence[Callable[[list[Any], int], Any]],
    arrays: list[Any],
    spent: Callable[[], float],
    until_ns: float,
) -> list[list[int]]:
    """Return the mean time of an execution of each code, in rounds in which all take turns."""
    torch: Any = sys.modules.get("torch")
    unrecorded = contextlib.nullcontext() if torch is None else torch.no_grad()
    clock = time.perf_counter_ns
    found: list[list[int]] = [[] for _ in runs]
    with unrecorded:
        repeats = []
        for run in runs:
            run(arrays, 1)
            start = clock()
            run(arrays, 1)
            repeats.append(max(ROUND_NS // max(clock() - start, 1), 1))
        while len(found[0]) < FEWEST_TIMES or (spent() < until_ns and len(found[0]) < MOST_TIMES):
            for run, times, rounds in zip(runs, repeats, found, strict=True):
                start = clock()
                run(arrays, times)
                rounds.append((clock() - start) // times)
    return found


def _median(times: Sequence[int]) -> int:
    return max(sorted(times)[len(times) // 2], 1)


def _meter() -> Callable[[], float]:
    """Return a function: CPU time of all threads since now, ns; on a busy machine a part of the wall time."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    return lambda: max(time.process_time_ns() - cpu, (time.perf_counter_ns() - wall) / WAITING)
