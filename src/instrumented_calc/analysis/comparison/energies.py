"""Rule `values-differ`: check that both sides computed the same before comparing their speed.

A journal has energies but not positions, so frames are identified by their place in the run: the first
geometry, then equal steps. In dynamics this holds until trajectories diverge: immediately with different
velocities, and eventually even with equal ones, since rounding errors grow exponentially.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.first_energies import Frame

    Frames = dict[tuple[int, int, int, int], Frame]

# Trajectories with equal starts are compared this far; later they diverge by growing rounding errors.
FRAMES_FOLLOWED = 50


@dataclass(frozen=True, slots=True)
class Values:
    """Result of the comparison of energies.

    Attributes:
        verdict: `equal`, `differ` or `not checked`.
        frames: Common frames that agree.
        tolerance_ev: Largest accepted difference, eV per atom.
        largest_ev: Largest difference on frames that agree, eV per atom; None if no frame agrees.
        apart: The first frame that differs, or None.
        difference_ev: The difference of that frame, eV per atom; None if one side is not finite.
        why: Why nothing was compared, or why the comparison stopped.
        places: Places of the frames that agree.
    """

    verdict: str
    frames: int
    tolerance_ev: float
    largest_ev: float | None = None
    apart: Frame | None = None
    difference_ev: float | None = None
    why: str = ""
    places: tuple[tuple[int, int, int, int], ...] = ()


def compare_values(
    before: Sequence[tuple[Frame, ...]],
    after: Sequence[tuple[Frame, ...]],
    tolerance_ev: float,
    *,
    repeatable: bool,
) -> Values:
    """Compare the energies of the frames that all runs computed.

    Args:
        before: The first frames of each run of one side.
        after: The same for the other side.
        tolerance_ev: Largest accepted difference, eV per atom.
        repeatable: Whether runs with equal starts stay equal: one driver, without random forces. If not,
            only the first frame must be the same.
    """
    sides = [[{frame.place: frame for frame in run} for run in side] for side in (before, after)]
    first = sides[0][0] if sides[0] else {}
    everywhere = [place for place in first if all(place in run for side in sides for run in side)]
    if not everywhere:
        return Values("not checked", 0, tolerance_ev, why="the runs have no energy for a common frame")
    agreed, largest = 0, 0.0
    for place in everywhere[:FRAMES_FOLLOWED]:
        known = largest if agreed else None
        places = tuple(everywhere[:agreed])
        within = [_widest(side, [side[0]], place) for side in sides]
        if any(each is None or each > tolerance_ev for each in within):
            why = "the runs of one side differ from each other from there on: other positions or velocities"
            verdict = "equal" if agreed else "not checked"
            return Values(verdict, agreed, tolerance_ev, known, why=why, places=places)
        between = _widest(sides[1], sides[0], place)
        if between is None or between > tolerance_ev:
            if agreed and not repeatable:
                why = "the trajectories diverge there, as expected of different drivers or random forces"
                return Values("equal", agreed, tolerance_ev, known, why=why, places=places)
            apart = sides[1][0][place]
            return Values("differ", agreed, tolerance_ev, known, apart, between, places=places)
        agreed, largest = agreed + 1, max(largest, between)
    return Values("equal", agreed, tolerance_ev, largest, places=tuple(everywhere[:agreed]))


def _widest(
    ours: Sequence[Frames], theirs: Sequence[Frames], place: tuple[int, int, int, int]
) -> float | None:
    """Return the largest difference per atom; None if only some energies are finite."""
    energies = [run[place].energy_ev for run in (*ours, *theirs)]
    known = [each for each in energies if each is not None]
    if len(known) < len(energies):
        return None if known else 0.0
    atoms = ours[0][place].n_atoms or 1
    return (max(known) - min(known)) / atoms
