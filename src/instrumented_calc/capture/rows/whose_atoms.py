"""Whether a call calculated the atoms that the driver moves, or others that share its calculator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.rows.finite_results import positions_of

if TYPE_CHECKING:
    from instrumented_calc.capture.calls.lane import LiveLane


def are_others(lane: LiveLane, driver: Any, atoms: Any) -> bool:
    """Return whether these atoms are not the driver's, though the lane has calculated the driver's before.

    A calculator inside another one may be given a copy at each call: then nothing is known.

    Args:
        lane: The calculator's lane.
        driver: The driver, or None.
        atoms: The calculated atoms, or None.
    """
    moved = getattr(driver, "atoms", None)
    if atoms is None or positions_of(moved) is None:  # an optimizer may hold a filter or a band
        return False
    if moved is atoms:
        lane.has_drivers_atoms = True
        return False
    return lane.has_drivers_atoms


def results_are_of(lane: LiveLane, atoms: Any) -> bool:
    """Return whether the stored results are of these atoms where they are now, as far as is known.

    Args:
        lane: The calculator's lane.
        atoms: The driver's atoms.
    """
    calculated, places = positions_of(lane.stored("atoms")), positions_of(atoms)
    numpy: Any = sys.modules.get("numpy")
    kinds = {type(calculated), type(places)}
    if numpy is None or kinds != {numpy.ndarray}:
        return True
    return bool(
        numpy.array_equal(calculated, places, equal_nan=calculated.dtype.kind == places.dtype.kind == "f")
    )
