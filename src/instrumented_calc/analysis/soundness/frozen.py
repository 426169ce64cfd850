"""Steps in which nothing happens: no calculations, no forces, no atoms that may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check, Since
from instrumented_calc.analysis.soundness.without_forces import without_forces

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence

NAME = "frozen"
FEWEST_STEPS = 10
# Calculations per step. Every step of MD moves atoms and so needs one; half allows for a driver that was not
# followed for a while, and the answers must have come from the cache besides.
CALLS_PER_STEP = 0.5
# Requests after a single calculation that say the same if the driver's steps are unknown.
REQUESTS = 50


def check_frozen(evidence: PhysicsEvidence) -> Check:
    """The atoms of an MD run stand still, or nothing acts on them."""
    md = [number for number, phase in evidence.journal.phases.items() if phase.kind == "md"]
    if not md:
        return Check(NAME, "clear", "no molecular dynamics, which could stand still", n=evidence.calls)
    still = _without_calculations(evidence) or without_forces(evidence)
    if still is not None:
        return still
    if evidence.counted("zero_forces") is None:
        return Check(NAME, "not enough evidence", "it was not recorded whether atoms moved and forces acted")
    if not evidence.returned:
        return Check(NAME, "not enough evidence", "no call returned results")
    text = f"atoms moved and forces acted on them, in {evidence.returned_calls}"
    return Check(NAME, "clear", text, n=evidence.returned)


def _without_calculations(evidence: PhysicsEvidence) -> Check | None:
    calls, counters = evidence.calls, evidence.journal.counters
    hits = counters.cache_hits if counters else 0
    steps = _steps(evidence)
    numbers = {"steps": steps, "calculations": calls, "cache_hits": hits}
    made = f"{calls:,} calculation{'s' if calls > 1 else ''}{_why(evidence)}"
    last = _last_calculation(evidence)
    if last is not None and last.step is not None and calls >= CALLS_PER_STEP * last.step:
        still = steps - last.step
        if last.step and still >= FEWEST_STEPS and hits >= CALLS_PER_STEP * still:
            numbers["steps_at_rest"] = still
            text = (
                f"Nothing moves since {last.words}: the {still:,} steps after it needed no"
                f" calculation{_why(evidence)}"
            )
            return Check(NAME, "flagged", text, numbers, calls, last)
    if steps >= FEWEST_STEPS and calls < CALLS_PER_STEP * steps and hits >= CALLS_PER_STEP * steps:
        return Check(NAME, "flagged", f"Nothing moves: {steps:,} steps needed only {made}", numbers, calls)
    if steps == 0 and calls == 1 and hits >= REQUESTS:
        text = f"Nothing moves: {hits:,} requests were answered by {made}"
        return Check(NAME, "flagged", text, numbers, calls)
    return None


def _last_calculation(evidence: PhysicsEvidence) -> Since | None:
    """Return the last call of the only driver, if all its steps belong to one run of MD."""
    calls, phases = evidence.journal.calls, evidence.journal.phases
    if len(phases) != 1 or not len(calls):
        return None
    place = int(calls.index.argmax())
    step = int(evidence.steps[place])
    return Since(int(calls.index[place]), step if step >= 0 else None)


def _steps(evidence: PhysicsEvidence) -> int:
    """Return the steps of all MD drivers, as far as the journal knows them."""
    calls, found = evidence.journal.calls, {}
    for number, phase in evidence.journal.phases.items():
        if phase.kind == "md":
            found[number] = int(evidence.steps[calls.phase == number].max(initial=0))
    for track in evidence.tracks:
        for number, phase in evidence.journal.phases.items():
            if phase is track.phase and number in found:
                found[number] = max(found[number], int(track.steps.max(initial=0)))
    return sum(found.values())


def _why(evidence: PhysicsEvidence) -> str:
    for track in evidence.tracks:
        fixed = [each.fixed_atoms for each in track.states if isinstance(each.fixed_atoms, int)]
        if track.is_md and track.n_atoms and fixed and max(fixed) >= track.n_atoms:
            return "; constraints fix all atoms"
    forces = [track.values("force_norm_ev_a") for track in evidence.tracks if track.is_md]
    known = np.concatenate([each[np.isfinite(each)] for each in forces]) if forces else np.array([])
    if len(known) and not known.any():
        return "; the atoms are at rest and all forces are 0"
    return ""
