"""The check of nearly every call: sums of the squared forces and positions.

NaN and infinity pass through them, and forces that vanish or have grown show.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane

# The sums take 1.4 us, and 5 us after a calculation that has displaced them from the caches: 1 % at most. A
# longer interval would miss forces that are not finite in a few calls only.
CHECK_EVERY_NS = 500_000
MOST_SUMMED = 9_000  # numbers: their squares are summed in 1 us; above 10,000 OpenBLAS starts threads
INFINITE = float("inf")


def quick_check() -> Callable[[LiveLane, int, int, Any, Any], tuple[Any, bool]]:
    """Return a function that checks the results of a call, with numpy's names at hand.

    Its arguments: the calculator's lane; the number of the call and its end, on the clock; its forces, and
    its atoms or None.

    It sets when the next check is due: after a pause, but at the next call while forces vanish or cannot be
    summed.

    It returns the sum of the squared forces in (eV/A)^2, UNSET if it cannot sum them (unusual types, very
    many atoms), and whether to look closer: results are not finite, or cannot be summed, or the forces are
    larger than ever, or have begun to vanish.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:  # no array exists
        return lambda _lane, _index, _end, forces, _atoms: (UNSET, forces is not None)
    array, double, single = numpy.ndarray, numpy.dtype("float64"), numpy.dtype("float32")
    sum_of_squares = numpy.vdot  # sets no floating-point flags, so that no warning of ours appears

    def check(lane: LiveLane, index: int, end: int, forces: Any, atoms: Any) -> tuple[Any, bool]:
        squares: Any = UNSET
        if (
            type(forces) is array
            and (forces.dtype is double or forces.dtype is single)
            and forces.size <= MOST_SUMMED
        ):
            squares = sum_of_squares(forces, forces)
            closer = not squares <= lane.force_limit  # a NaN is not
            if not squares:
                closer = lane.zero_forces.add(index, lane.calls) or closer
        else:
            closer = forces is not None
        if atoms is not None and not closer:
            try:
                places = atoms.arrays["positions"]
                if type(places) is array and places.dtype is double and places.size <= MOST_SUMMED:
                    closer = not sum_of_squares(places, places) < INFINITE
            except Exception as error:  # not an Atoms
                if is_foreign(error):
                    raise
        lane.look_after = end + CHECK_EVERY_NS if squares else end
        return squares, closer

    return check
