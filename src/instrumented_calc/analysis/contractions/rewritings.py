"""Contractions as other code: how long it takes on the machine that was measured, and whether it is equal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.einsum_rewriting import NAMES, Rewriting, evaluate, rewrite
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
        product_ns: Time of the same number of executions of the code, by estimate; None if the code was not
            timed.
    """

    row: ContractionUse
    signature: Signature
    code: tuple[str, ...]
    calls: float
    ns: float
    product_ns: float | None

    @property
    def saved_ns(self) -> float:
        """Time that the code would save, 0 if none or unknown."""
        return 0.0 if self.product_ns is None else max(self.ns - self.product_ns, 0.0)


def gain_of(row: ContractionUse, measured: Sequence[ProductTimes]) -> Gain | None:
    """Return what other code for a contraction gains.

    Args:
        row: The contraction.
        measured: Times of matrix products on the machine.

    Returns:
        None if there is no other code, or the contraction's time or operands are unknown.
    """
    timed = [each for each in row.signatures if each.ns]
    if row.library not in ("numpy", "torch") or not timed:
        return None
    rewriting = _rewriting(row, timed[0])
    if rewriting is None or any("@" in operand for operand in timed[0].operands):
        return None
    around = AROUND_NUMPY_NS if row.library == "numpy" and not row.optimize else 0.0
    reference = _reference(row, timed[0], measured)
    calls, spent, product_ns = 0.0, 0.0, 0.0
    for each in timed:
        calls += each.calls
        spent += (each.ns or 0.0) + around * each.calls
        if reference is not None:
            product_ns += each.calls * _estimate(row, each, *reference)
    return Gain(row, timed[0], rewriting.code, calls, spent, None if reference is None else product_ns)


def is_equal(equation: str, operands: Sequence[str], library: str) -> bool:
    """Return whether the code of a rewriting equals the einsum, on random numbers.

    The operands are as long as recorded or shorter, and different indices have different lengths where that
    fits. Code for torch is checked with numpy's names for the same operations.

    Args:
        equation: The einsum equation.
        operands: `dtype[shape]` of each operand.
        library: `numpy` or `torch`.
    """
    shapes = [shape_of(operand) for operand in operands]
    known = [shape for shape in shapes if shape is not None]
    found = rewrite(equation, known) if len(known) == len(shapes) else None
    if found is None or rewrite(equation, known, library) is None:
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


def _rewriting(row: ContractionUse, signature: Signature) -> Rewriting | None:
    shapes = [shape_of(operand) for operand in signature.operands]
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or len(known) > len(NAMES):
        return None
    return rewrite(row.equation, known, row.library)


def _reference(
    row: ContractionUse, signature: Signature, measured: Sequence[ProductTimes]
) -> tuple[ProductTime, int] | None:
    """Return the time of the same equation and dtypes on this machine, and its multiply-accumulates."""
    dtypes = [dtype_of(operand) for operand in signature.operands]
    for record in measured:
        for each in record.products:
            same = (each.equation, each.library) == (row.equation, row.library)
            if same and [dtype_of(operand) for operand in each.operands] == dtypes:
                shapes = [shape_of(operand) or () for operand in each.operands]
                found = rewrite(each.equation, shapes, each.library)
                if found is not None and found.macs:
                    return each, found.macs
    return None


def _estimate(row: ContractionUse, signature: Signature, reference: ProductTime, macs: int) -> float:
    """Return the time of one execution with these operands, in proportion to the work, ns."""
    if list(signature.operands) == reference.operands:
        return float(reference.ns)
    found = _rewriting(row, signature)
    if found is None:
        return math.inf
    return max(reference.ns * found.macs / macs, min(LEAST_NS, reference.ns))
