"""Results that stay the same although the atoms move: a calculator that answers from a previous geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check, Since
from instrumented_calc.analysis.soundness.limits import VISIBLE_EV, VISIBLE_SHARE, rounded_to_ev

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "stale"
# Calls in a row with one energy, to the last bit.
FEWEST_CALLS = 8
# Share of all calls that repeat the energy of the call before, if only few in a row do. Energies of moving
# atoms that are printed with 4 digits are sometimes equal; the limit on the expected change excludes those.
SOME = 0.1
ROUNDINGS = 10.0  # what is seen of energies that were rounded
# States with exactly the same forces, to the last bit, while energy and positions differ.
FEWEST_STATES = 3


def check_stale(evidence: PhysicsEvidence) -> Check:
    """Energy or forces stay the same although the atoms move."""
    same = evidence.counted("same_energy")
    for find in (_one_energy, _forces):
        found = [check for track in evidence.tracks if (check := find(track)) is not None]
        if found:
            return found[0]
    if same is None:
        return Check(NAME, "not enough evidence", "energies were not compared with each other")
    repeated = _often(evidence, same)
    if repeated is not None:
        return repeated
    if not evidence.returned:
        return Check(NAME, "not enough evidence", "no call returned results")
    text = f"the energy follows the atoms in {evidence.returned_calls}"
    if same >= FEWEST_CALLS:
        text = f"{same:,} calls repeat the energy of the previous one, but it had no reason to change"
    return Check(NAME, "clear", text, {"same_energy": same}, evidence.returned)


def _one_energy(track: Track) -> Check | None:
    moved = track.values("moved_a")
    for place, state in enumerate(track.states):
        streak = state.same_energy
        if not place or not isinstance(streak, int) or streak < FEWEST_CALLS:
            continue
        begun = state.index - streak + 1
        if track.states[place - 1].index < begun:
            continue  # the previous state had another energy
        expected, visible = _expected(track, place, moved[place])
        if expected > visible:
            longest = max(each.same_energy for each in track.states if isinstance(each.same_energy, int))
            since = track.since(place)
            first = Since(max(begun, 0), None if since.step is None else max(since.step - streak + 1, 0))
            energy = _energy(track, place)
            text = (
                f"The energy no longer follows the atoms: exactly {energy:.6g} eV in {longest:,} calls"
                f" since {first.words}, though the atoms moved"
            )
            numbers = {"calls": longest, "energy_ev": energy, "expected_change_ev": float(expected)}
            return Check(NAME, "flagged", text, numbers, longest, first)
    return None


def _forces(track: Track) -> Check | None:
    """The forces are the same at several states, though energy and positions differ."""
    norms, moved, energies = (track.values(name) for name in ("force_norm_ev_a", "moved_a", "potential_ev"))
    calls = np.array([each.index for each in track.states])
    same = np.zeros(len(norms), np.bool_)
    same[1:] = (norms[1:] == norms[:-1]) & (norms[1:] > 0) & (moved[1:] > 0) & (calls[1:] > calls[:-1])
    same[1:] &= abs(np.diff(energies)) > np.maximum(VISIBLE_EV, VISIBLE_SHARE * abs(energies[1:]))
    if same.sum() < FEWEST_STATES - 1:
        return None
    first = int(np.flatnonzero(same)[0]) - 1
    since = track.since(first)
    text = (
        f"The forces no longer follow the atoms: exactly the same since {since.words}, though energy and"
        " positions changed"
    )
    return Check(NAME, "flagged", text, {"force_norm_ev_a": float(norms[first])}, len(norms), since)


def _often(evidence: PhysicsEvidence, same: int) -> Check | None:
    """Many calls of MD repeat the energy of the call before, each time only a few in a row."""
    if same < FEWEST_CALLS or same < SOME * evidence.returned:
        return None
    for track in evidence.tracks:
        if not track.is_md:
            continue
        repeats = [place for place, each in enumerate(track.states) if isinstance(each.same_energy, int)]
        calls = np.array([each.index for each in track.states], dtype=float)
        steps = np.diff(calls)
        moved = track.values("moved_a")[1:] / np.where(steps > 0, steps, np.nan)  # at least, per call
        if not repeats or not np.isfinite(moved).any():
            continue
        expected, visible = _expected(track, repeats[0], float(np.nanmedian(moved)))
        if expected > visible:
            since = track.since(repeats[0])
            text = (
                f"The energy does not follow the atoms: {same:,} of {evidence.calls:,} calls returned exactly"
                f" that of the call before, first seen at {since.words}"
            )
            numbers = {"same_energy": same, "expected_change_ev": expected}
            return Check(NAME, "flagged", text, numbers, evidence.calls, since)
    return None


def _expected(track: Track, place: int, moved_a: float) -> tuple[float, float]:
    """Return the change of the energy to expect, and the smallest that would be seen, eV.

    The energy changes by |F| |dr| cos(angle); for a random direction in 3N dimensions the cosine is
    1/sqrt(3N).
    """
    force = track.values("force_norm_ev_a")[place]
    expected = float(force * moved_a / max(3 * track.n_atoms, 1) ** 0.5)
    rounded = ROUNDINGS * rounded_to_ev(track.values("potential_ev"))
    return expected, max(VISIBLE_EV, VISIBLE_SHARE * abs(_energy(track, place)), rounded)


def _energy(track: Track, place: int) -> float:
    energy = track.states[place].potential_ev
    return energy if isinstance(energy, float) else 0.0
