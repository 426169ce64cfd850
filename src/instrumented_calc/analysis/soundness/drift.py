"""Drift of the conserved energy, against its own fluctuation and against the kinetic energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.analysis.statistics.robust_deviation import MAD_TO_SD, robust_deviation
from instrumented_calc.analysis.statistics.theil_sen import theil_sen
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.observation import Severity
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "energy-drift"
FEWEST_SAMPLES = 8
MEV = 1e3
# Kinetic energy per atom below which a run counts as cold: 3/2 kT at 100 K, meV.
LEAST_KINETIC_MEV = 13.0
# Changes as shares of the kinetic energy at the start, and what the potential released since. Half of an
# added energy heats the atoms, so a quarter raises the temperature by an eighth, whatever time that took.
RUINED = 0.25
# A drift of 1 meV per atom and ps heats by 4 K per ps. The usual demand is a hundred times stricter (some
# 0.01 meV per atom and ps), so this is beyond dispute, if the change itself matters at all.
RATE, MATTERS = 1.0, 0.05
FLUCTUATIONS = 3.0  # times the scatter around the line
# A jump is a step that changes the energy by more than the kinetic energy and by many fluctuations. An
# integrator does not fluctuate that much: velocity Verlet at its stability limit does by a quarter of it.
STRAYED, STRAYED_FLUCTUATIONS = 1.0, 10.0
FEWEST_BESIDE = 3  # samples on each side of a step that stays
# Times the kinetic energy that a bias or a field may add on purpose. Half of it heats: beyond, the system has
# more than ten times its temperature.
DRIVEN = 20.0


def check_drift(evidence: PhysicsEvidence) -> Check:
    """The energy that the integrator conserves is not conserved."""
    md = [track for track in evidence.tracks if track.is_md]
    changed = evidence.counted("velocity_changes") or 0
    if changed:
        text = f"energy, because something other than the integrator changed velocities in {changed:,} steps"
        return Check(NAME, "not enough evidence", text, {"steps": changed})
    checks = [check for track in md if (check := _judged(track)) is not None]
    wrong = [each for each in checks if each.verdict == "flagged"]
    if wrong:
        return min(wrong, key=lambda each: each.severity != "wrong")
    if checks:
        return checks[0]
    phases = [phase for phase in evidence.journal.phases.values() if phase.kind == "md"]
    if not phases:
        return Check(NAME, "clear", "no molecular dynamics, which would conserve an energy", n=evidence.calls)
    drivers = ", ".join(sorted({phase.driver.rpartition(".")[2] for phase in phases}))
    if any(np.isfinite(track.values("conserved_ev")).any() for track in md):
        return Check(
            NAME, "not enough evidence", f"fewer than {FEWEST_SAMPLES} samples of the conserved energy"
        )
    return Check(
        NAME, "not enough evidence", f"no conserved energy is known of {drivers} (or of its constraints)"
    )


def _judged(track: Track) -> Check | None:
    conserved, times = track.values("conserved_ev"), track.times_ps()
    if times is None or not track.n_atoms:
        return None
    known = np.isfinite(conserved) & np.isfinite(times) & (abs(conserved) < 1e100)  # noqa: PLR2004 - overflow
    if known.sum() < FEWEST_SAMPLES:
        return None
    places = np.flatnonzero(known)
    values, times = MEV * conserved[known] / track.n_atoms, times[known]
    drift = theil_sen(times, values)
    if drift is None:
        return None
    kinetic = MEV * track.values("kinetic_ev")[known] / track.n_atoms
    released = _released(MEV * track.values("potential_ev")[known] / track.n_atoms)
    moving = _at_start(kinetic) + released
    start = max(moving, LEAST_KINETIC_MEV)
    rest = values - np.median(values) - drift.value * (times - np.median(times))
    scatter = robust_deviation(rest)
    change = drift.value * float(times[-1] - times[0])
    strayed = values - values[0]
    worst = int(abs(strayed).argmax())
    kinetics = "the kinetic energy at the start"
    if moving < start:
        kinetics = "the kinetic energy at 100 K"
    elif released > start / 2:
        kinetics += " and what the potential has released"
    numbers = {
        "mev_per_atom_per_ps": drift.value,
        "low": drift.low,
        "high": drift.high,
        "change_mev_per_atom": change,
        "scatter_mev_per_atom": scatter,
        "kinetic_mev_per_atom": start,
        "ps": float(times[-1] - times[0]),
    }
    severity, outside = _judged_as(track, float(abs(strayed[worst])) / start)
    step = _step(values)
    if step is not None and abs(step.height) > max(RUINED * start, STRAYED_FLUCTUATIONS * step.scatter):
        since = track.since(int(places[step.place]))
        text = (
            f"The energy is not conserved: it jumped by {figures(step.height, signed=True)} meV per atom,"
            f" {figures(abs(step.height) / start)} times {kinetics}, at {since.words}{outside}"
        )
        numbers["step_mev_per_atom"] = step.height
        return Check(NAME, "flagged", text, numbers, len(values), since, severity)
    significant = drift.low * drift.high > 0 and abs(change) > FLUCTUATIONS * scatter
    ruins = abs(change) > RUINED * start or (abs(drift.value) > RATE and abs(change) > MATTERS * start)
    jumped = abs(strayed[worst]) > max(STRAYED * start, STRAYED_FLUCTUATIONS * scatter)
    rate = f"{figures(drift.value, signed=True)} meV per atom per ps"
    if not ((significant and ruins) or jumped):
        text = (
            f"the conserved energy drifts by {rate} and fluctuates by {figures(scatter)} meV per atom, in"
            f" {figures(numbers['ps'])} ps"
        )
        return Check(NAME, "clear", text, numbers, len(values))
    total = strayed[worst] if jumped else change
    beyond = np.flatnonzero(abs(strayed) > RUINED * start)
    begun = int(beyond[0]) if len(beyond) else worst
    since = track.since(int(places[begun]))
    direct = (
        " (the model predicts forces directly, not as the gradient of its energy)" if track.direct else ""
    )
    most = max(abs(total), abs(strayed[worst])) / start
    how = rate if significant and ruins else f"{figures(total, signed=True)} meV per atom in all"
    text = (
        f"The energy is not conserved: {how}, up to {figures(most)} times {kinetics};"
        f" beyond a quarter of it since {since.words}{direct}{outside}"
    )
    return Check(NAME, "flagged", text, numbers, len(values), since, severity)


def _judged_as(track: Track, most: float) -> tuple[Severity, str]:
    """Return the severity of a change of the energy, and what else may have caused it, in words.

    Args:
        track: The states.
        most: Largest change, in units of the kinetic energy at the start, or at 100 K if that is more.
    """
    if not track.driven_by or most > DRIVEN:
        return "wrong", ""
    return "info", f"; not judged, because {track.driven_by} may do work on the atoms"


class _Step(NamedTuple):
    """The largest change between two successive samples.

    Attributes:
        place: The first sample after it.
        height: Median after it minus median before it.
        scatter: Standard deviation within both sides, robust.
    """

    place: int
    height: float
    scatter: float


def _step(values: np.ndarray) -> _Step | None:
    place = int(abs(np.diff(values)).argmax()) + 1
    before, after = values[:place], values[place:]
    if min(len(before), len(after)) < FEWEST_BESIDE:
        return None
    middle = float(np.median(before)), float(np.median(after))
    rest = np.concatenate([before - middle[0], after - middle[1]])
    return _Step(place, middle[1] - middle[0], MAD_TO_SD * float(np.median(abs(rest))))


def _released(potential: np.ndarray) -> float:
    """Return the potential energy that has become kinetic energy: of a reaction, or of a bad geometry."""
    known = potential[np.isfinite(potential)]
    return max(float(known[0] - np.median(known)), 0.0) if len(known) else 0.0


def _at_start(kinetic: np.ndarray) -> float:
    """Return the kinetic energy in the first third, before a drift has changed it much."""
    known = kinetic[np.isfinite(kinetic)][: max(len(kinetic) // 3, 3)]
    return float(np.median(known)) if len(known) else 0.0
