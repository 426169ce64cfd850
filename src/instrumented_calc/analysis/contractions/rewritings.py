"""Contractions as other code: how long it takes on the machine that was measured, and whether it is equal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.einsum_rewriting import Rewriting, evaluate, parse, rewrite
from instrumented_calc.journal.operand_text import dtype_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.contractions.contractions import ContractionUse, Signature
    from instrumented_calc.journal.records import ProductTime, ProductTimes

# numpy.einsum's own Python code around each contraction, which is not in the contraction's time: 0.52 of
# 1.43 us with numpy 2.4.
AROUND_NUMPY_NS = 500.0
# The least time of code in Python with a matrix product. A reshape and a product of small arrays took 1.1 us.
LEAST_NS = 1_000.0
MOST_CHECKED = 1_000_000  # multiply-accumulates of the plain sum in a check of equality
ROUNDING = 1e-9
SEED = 14


@dataclass(frozen=True, slots=True)
class Gain:
    """What other code for the calls of one contraction gains.

    Attributes:
        row: The contraction.
        signature: Its operands with the longest time.
        code: The other code.
        calls: Number of calls of all operands with known time.
        ns: Time of these calls.
        product_ns: Estimated time of as many executions of the code in the run; None if the code
            was not timed.
        sure: Whether the einsum was timed beside the code. Otherwise its time is that in the run, which other
            work on the machine also lengthens.
    """

    row: ContractionUse
    signature: Signature
    code: tuple[str, ...]
    calls: float
    ns: float
    product_ns: float | None
    sure: bool = False


def gain_of(row: ContractionUse, measured: Sequence[ProductTimes]) -> Gain | None:
    """Return what other code for a contraction gains.

    Args:
        row: The contraction.
        measured: Times of matrix products on the machine.

    Returns:
        None if the contraction cannot be rewritten, or its time or operands are unknown.
    """
    timed = [each for each in row.signatures if each.ns]
    if row.library not in ("numpy", "torch") or not timed:
        return None
    rewriting = _rewriting(row.equation, timed[0].operands, row.library)
    if rewriting is None or any("@" in operand for operand in timed[0].operands):
        return None
    around = AROUND_NUMPY_NS if row.library == "numpy" and not row.optimize else 0.0
    reference = _reference(row, timed[0], measured)
    if reference is None:
        slower, sure = 1.0, False
    else:
        slower, sure = _slower_in_run(timed, reference[0], around)
    calls, spent, product_ns = 0.0, 0.0, 0.0
    for each in timed:
        calls += each.calls
        spent += (each.ns or 0.0) + around * each.calls
        if reference is not None:
            product_ns += each.calls * _estimate(each, *reference) * slower
    return Gain(row, timed[0], rewriting.code, calls, spent, None if reference is None else product_ns, sure)


def _slower_in_run(timed: Sequence[Signature], reference: ProductTime, around: float) -> tuple[float, bool]:
    """Return how many times as long the einsum took in the run as afterwards, and whether that is known."""
    if not isinstance(reference.einsum_ns, int) or not reference.einsum_ns:
        return 1.0, False
    for each in timed:
        if list(each.operands) == reference.operands:
            in_run = (each.ns or 0.0) / each.calls + around
            return max(in_run / reference.einsum_ns, 1.0), True
    return 1.0, False


def is_equal(equation: str, operands: Sequence[str], library: str) -> bool:
    """Return whether the code of a rewriting equals the einsum, on random numbers.

    The operands are as long as recorded or shorter, and different indices have different lengths where that
    fits. Code for torch is checked with numpy's names for the same operations.

    Args:
        equation: The einsum equation.
        operands: `dtype[shape]` of each operand.
        library: `numpy` or `torch`.
    """
    found = _rewriting(equation, operands, "numpy")
    if found is None or _rewriting(equation, operands, library) is None:
        return False
    small = found._replace(sizes=_short(found.sizes))
    if math.prod(small.sizes.values()) > MOST_CHECKED:
        return False
    rng = np.random.default_rng(SEED)
    arrays = [rng.normal(size=shape) for shape in small.shapes]
    expected = np.einsum(equation, *arrays)
    result = np.asarray(evaluate(found.code, arrays))
    return result.shape == np.shape(expected) and np.allclose(result, expected, ROUNDING, ROUNDING)


def _short(sizes: dict[str, int]) -> dict[str, int]:
    """Return lengths from 2 up, different for different indices as far as there are few; 1 remains 1."""
    longest = next(most for most in (9, 6, 4, 3, 2) if most == 2 or most ** len(sizes) <= MOST_CHECKED)  # noqa: PLR2004 - lengths
    return {
        letter: min(size, 2 + place % (longest - 1))
        for place, (letter, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1]))
    }


def _rewriting(equation: str, operands: Sequence[str], library: str) -> Rewriting | None:
    shapes = [shape_of(operand) for operand in operands]
    known = [shape for shape in shapes if shape is not None]
    return rewrite(equation, known, library) if len(known) == len(shapes) else None


def _reference(
    row: ContractionUse, signature: Signature, measured: Sequence[ProductTimes]
) -> tuple[ProductTime, Rewriting] | None:
    """Return the time of the same equation and dtypes on this machine, and what was timed."""
    dtypes = [dtype_of(operand) for operand in signature.operands]
    for record in measured:
        for each in record.products:
            same = (each.equation, each.library, each.optimize) == (row.equation, row.library, row.optimize)
            if same and [dtype_of(operand) for operand in each.operands] == dtypes:
                found = _rewriting(each.equation, each.operands, each.library)
                if found is not None and found.macs:
                    return each, found
    return None


def _estimate(signature: Signature, reference: ProductTime, timed: Rewriting) -> float:
    """Return the time of one execution with these operands, in proportion to the work, ns."""
    if list(signature.operands) == reference.operands:
        return float(reference.ns)
    parsed = parse(reference.equation, [shape_of(operand) or () for operand in signature.operands])
    if parsed is None:
        return math.inf
    work = timed._replace(sizes=parsed[2]).macs / timed.macs
    return max(reference.ns * work, min(LEAST_NS, reference.ns))
