"""Whether both sides computed the same forces, on the frames at which journals describe them.

A journal holds three numbers per described frame instead of all forces: their norm, the largest one, and a
sum with fixed weights, which also changes if directions or the order of the atoms do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.first_energies import Forces, Frame


@dataclass(frozen=True, slots=True)
class ForceCheck:
    """Result of the comparison of forces.

    Attributes:
        verdict: `equal`, `differ` or `not checked`.
        frames: Frames compared, up to the first that differs.
        tolerance_ev_a: Largest accepted difference of a force, eV/A.
        largest_ev_a: Largest difference found, eV/A per force; None if nothing was compared.
        apart: The first frame that differs, or None.
    """

    verdict: str
    frames: int
    tolerance_ev_a: float
    largest_ev_a: float | None = None
    apart: Frame | None = None


def compare_forces(
    before: Sequence[tuple[Frame, ...]],
    after: Sequence[tuple[Frame, ...]],
    frames: Sequence[tuple[int, int, int, int]],
    tolerance_ev_a: float,
) -> ForceCheck:
    """Compare the forces of frames that all runs computed.

    Args:
        before: The first frames of each run of one side.
        after: The same for the other side.
        frames: Places of the frames that are the same geometry in all runs, in order.
        tolerance_ev_a: Largest accepted difference, eV/A; relative for forces above 1 eV/A.
    """
    runs = [{frame.place: frame for frame in run} for run in (*before, *after)]
    compared, largest = 0, None
    for place in frames:
        known = [run[place] for run in runs]
        described = [frame.forces for frame in known if frame.forces is not None]
        if len(described) < len(known):
            continue
        difference = _widest(described, known[0].n_atoms or 1)
        largest = max(largest or 0.0, difference)
        compared += 1
        if not difference <= tolerance_ev_a * max(1.0, *(each.largest_ev_a for each in described)):
            return ForceCheck("differ", compared, tolerance_ev_a, difference, known[-1])
    verdict = "equal" if compared else "not checked"
    return ForceCheck(verdict, compared, tolerance_ev_a, largest)


def _widest(described: Sequence[Forces], n_atoms: int) -> float:
    """Return the largest difference between runs, as the error of one force that explains it.

    Independent errors of n forces change the norm and the weighted sum by their root of n.
    """
    root = math.sqrt(n_atoms)
    columns = (
        [each.largest_ev_a for each in described],
        [each.norm_ev_a / root for each in described],
        [each.weighted_ev_a / root for each in described if each.weighted_ev_a is not None],
    )
    return max(max(column) - min(column) for column in columns if column)
