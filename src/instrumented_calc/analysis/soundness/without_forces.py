"""Forces that are all exactly 0: in every call, or from some call on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check, Since
from instrumented_calc.analysis.soundness.limits import CONDENSED_A3, VISIBLE_EV, VISIBLE_SHARE

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "frozen"
FEWEST_CALLS = 10
PAIR = 2  # a lone atom feels no forces
NEARLY_ALL = 0.9  # share of the later calls without forces: the rest are exceptions


def without_forces(evidence: PhysicsEvidence) -> Check | None:
    """Return what is wrong if no forces act on atoms of an MD run, or None.

    Args:
        evidence: The evidence of the run.
    """
    zero, unchecked = evidence.counted("zero_forces"), evidence.counted("unchecked") or 0
    if zero is None or zero < FEWEST_CALLS or int(evidence.journal.calls.n_atoms.max(initial=0)) < PAIR:
        return None
    checked = evidence.returned - unchecked
    numbers = {"calls": checked, "zero_forces": zero}
    if zero >= checked:
        which = "" if checked == evidence.calls else " checked"
        text = f"Nothing acts on the atoms: all forces were exactly 0 in all {checked:,}{which} calls"
        return Check(NAME, "flagged", text, numbers, checked)
    for track in evidence.tracks:
        place = _vanished(track)
        if place is None:
            continue
        since = _begun(track, place, exact=not unchecked)
        newest = max(each.states[-1].index for each in evidence.tracks)
        if zero >= NEARLY_ALL * (newest - since.call):
            text = f"Nothing acts on the atoms since {since.words}: all forces are exactly 0"
        else:
            text = f"All forces were exactly 0 in {zero:,} calls, first at {since.words}"
        return Check(NAME, "flagged", text, numbers, checked, since)
    return None


def _vanished(track: Track) -> int | None:
    """Return the first state without forces, if atoms that are as near each other feel forces at other times.

    The atoms of a gas are beyond each other's cutoff at times. Then their energy is the same each time, and
    they are farther apart than whenever forces act.
    """
    norms = track.values("force_norm_ev_a")
    zero, acting = norms == 0, norms > 0
    if not track.is_md or track.n_atoms < PAIR or not zero.any() or not acting.any():
        return None
    energies = track.values("potential_ev")[zero]
    energies = energies[np.isfinite(energies)]
    visible = max(VISIBLE_EV, VISIBLE_SHARE * float(abs(energies).max(initial=0.0)))
    varies = len(energies) > 1 and bool(np.ptp(energies) > visible)
    first = int(np.flatnonzero(zero)[0])
    distances = track.values("shortest_distance_a")
    if np.isfinite(distances[zero]).any() and np.isfinite(distances[acting]).any():
        near = bool(np.nanmin(distances[zero]) <= np.nanmax(distances[acting]))
    else:
        near = _is_condensed(track, first)
    return first if varies or near else None


def _is_condensed(track: Track, place: int) -> bool:
    volume = track.values("volume_a3")[place]
    if not np.isfinite(volume):
        volume = 4 / 3 * np.pi * track.values("extent_a")[place] ** 3
    return bool(volume / track.n_atoms < CONDENSED_A3)


def _begun(track: Track, place: int, *, exact: bool) -> Since:
    since, streak = track.since(place), track.states[place].zero_forces
    if not isinstance(streak, int):
        return since
    earlier = min(streak - 1, since.call)
    step = None if since.step is None else max(since.step - earlier, 0)
    return Since(since.call - earlier, step, exact)
