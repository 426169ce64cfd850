"""Energies that stay the same although the atoms move: a calculator that answers from a previous geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "stale"
# Calls in a row with one energy, to the last bit.
FEWEST_CALLS = 8
# The energy must change by |F| |dr| cos(angle); for a random direction in 3N dimensions the cosine is
# 1/sqrt(3N). This change is expected to be seen: files print 1e-4 eV or better, and single precision
# resolves 6e-8 of the energy, so ten times that is visible.
VISIBLE_EV, VISIBLE_SHARE = 1e-3, 1e-6


def check_stale(evidence: PhysicsEvidence) -> Check:
    """The energy stays the same although the atoms move."""
    same = evidence.counted("same_energy")
    for track in evidence.tracks:
        fault = _stale(track)
        if fault is not None:
            return fault
    if same is None:
        return Check(NAME, "not enough evidence", "energies were not compared with each other")
    text = f"the energy follows the atoms in {evidence.calls:,} calls"
    if same >= FEWEST_CALLS:
        text = f"{same:,} calls repeat the energy of the previous one, but it had no reason to change"
    return Check(NAME, "clear", text, {"same_energy": same}, evidence.calls)


def _stale(track: Track) -> Check | None:
    moved, forces = track.values("moved_a"), track.values("force_norm_ev_a")
    for place, state in enumerate(track.states):
        streak = state.same_energy
        if not place or not isinstance(streak, int) or streak < FEWEST_CALLS:
            continue
        begun = state.index - streak + 1
        if track.states[place - 1].index < begun or not np.isfinite(moved[place] * forces[place]):
            continue  # the previous state had another energy
        expected = forces[place] * moved[place] / max(3 * track.n_atoms, 1) ** 0.5
        energy = state.potential_ev if isinstance(state.potential_ev, float) else 0.0
        if expected > max(VISIBLE_EV, VISIBLE_SHARE * abs(energy)):
            longest = max(each.same_energy for each in track.states if isinstance(each.same_energy, int))
            since = track.since(place)
            first = type(since)(
                max(begun, 0), None if since.step is None else max(since.step - streak + 1, 0)
            )
            text = (
                f"The energy no longer follows the atoms: exactly {energy:.6g} eV in {longest:,} calls"
                f" since {first.words}, though the atoms moved"
            )
            numbers = {"calls": longest, "energy_ev": energy, "expected_change_ev": float(expected)}
            return Check(NAME, "flagged", text, numbers, longest, first)
    return None
