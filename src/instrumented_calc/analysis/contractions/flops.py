"""Arithmetic cost of a contraction, from its equation and the shapes of its operands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from instrumented_calc.journal.operand_text import shape_of


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The arithmetic of one call of a contraction.

    Attributes:
        macs: Multiply-accumulates of the plain sum over all indices: the product of their sizes.
        flops: Operations of that sum: for two operands with a summed index 2 x `macs`, as opt_einsum counts.
        best_flops: Operations of the best order of pairs; equal to `flops` for up to two operands.
        largest_intermediate: Elements of the largest array in the best order, including the result.
    """

    macs: int
    flops: float
    best_flops: float
    largest_intermediate: int


@lru_cache(maxsize=8192)
def arithmetic(equation: str, operands: tuple[str, ...]) -> Arithmetic | None:
    """Return the arithmetic of one call, or None if equation and operands do not determine it.

    Args:
        equation: An einsum equation.
        operands: `dtype[shape]` of each operand, such as `float64[2,3]`.
    """
    shapes = [shape_of(operand) for operand in operands]
    if not shapes or None in shapes:
        return None
    import opt_einsum  # type: ignore[import-untyped]  # noqa: PLC0415 - 20 ms, only if there are contractions

    try:
        _, path = opt_einsum.contract_path(equation, *shapes, shapes=True)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return None
    return Arithmetic(
        macs=math.prod(path.size_dict[index] for index in path.indices),
        flops=float(path.naive_cost),
        best_flops=float(path.opt_cost),
        largest_intermediate=int(path.largest_intermediate),
    )
