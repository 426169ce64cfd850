"""Matrix products by shape, from trace windows: the contractions of a model without einsums.

Windows are samples: counts are per traced call, and shares are relative to the time of traced calls.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.journal.operand_text import sizes_of

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions.traces import Operation, TraceUse

# ATen's matrix products, with the operands that are multiplied (the first one of addmm is added).
PRODUCTS = {
    "aten::mm": (0, 1),
    "aten::bmm": (0, 1),
    "aten::mv": (0, 1),
    "aten::dot": (0, 1),
    "aten::addmm": (1, 2),
    "aten::addmv": (1, 2),
    "aten::baddbmm": (1, 2),
}
SHAPE = re.compile(r"\[([\d,\s]*)\]")


@dataclass(frozen=True, slots=True)
class Gemm:
    """Products of matrices of the same shapes, in one component.

    Attributes:
        operation: ATen's name.
        shapes: Shapes of the multiplied operands.
        component: Enclosing component; empty: none.
        per_call: Number per traced call.
        ns: Host time per traced call, ns; None if it was not measured.
        device_ns: Time of the kernels per traced call, ns; None if it was not measured.
        share: Share of the traced calls' time: on the device if known, else on the host.
        macs: Multiply-accumulates of one product.
    """

    operation: str
    shapes: str
    component: str
    per_call: float
    ns: float | None
    device_ns: float | None
    share: float | None
    macs: int

    @property
    def gflops(self) -> float | None:
        """Arithmetic speed, 10^9 operations per second."""
        time = self.device_ns or self.ns
        return 2 * self.macs * self.per_call / time if time else None


def measure_gemms(use: TraceUse | None) -> tuple[Gemm, ...]:
    """Return the matrix products in a run's trace windows, longest first.

    Args:
        use: The windows, or None if there were none.
    """
    if use is None or not use.calls:
        return ()
    found = [_gemm(each, use) for each in use.operations if each.name in PRODUCTS]
    return tuple(sorted((each for each in found if each), key=lambda gemm: -(gemm.share or 0)))


def _gemm(each: Operation, use: TraceUse) -> Gemm | None:
    macs = macs_of(each.name, each.shapes)
    if macs is None:
        return None
    time = each.self_ns if each.device_ns is None else each.device_ns
    return Gemm(
        operation=each.name,
        shapes=each.shapes,
        component=each.component,
        per_call=each.calls / use.calls,
        ns=None if each.self_ns is None else each.self_ns / use.calls,
        device_ns=None if each.device_ns is None else each.device_ns / use.calls,
        share=time / use.wall_ns if time is not None and use.wall_ns else None,
        macs=macs,
    )


def macs_of(operation: str, shapes: str) -> int | None:
    """Return the multiply-accumulates of one product, or None if the shapes do not determine them.

    Args:
        operation: One of `PRODUCTS`.
        shapes: Shapes of its operands, `[2,3] [3,4]`.
    """
    found = [sizes_of(each) for each in SHAPE.findall(shapes)]
    first, second = PRODUCTS[operation]
    if len(found) <= second:
        return None
    left, right = found[first], found[second]
    if not left or not right:
        return None
    return math.prod(left) * (right[-1] if len(right) > 1 else 1)
