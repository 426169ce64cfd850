"""A cell that collapses or bursts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.analysis.soundness.limits import CONDENSED_A3
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "volume-change"
FEWEST_SAMPLES = 5
# Factor between the volumes of a healthy run of MD: melting changes it by 10 %, the densest packing of a
# loosely packed liquid by 40 %; a gas may expand on, but its pressure arrives.
BURST = 2.0
# A change that is worth a question, and that is wrong if the pressure stays away from its target, GPa: 0.1
# is a fluctuation of some hundred atoms.
NOTED, PRESSURE = 0.2, 0.5
ROUNDING = 1e-9
NEARER = 0.8
# A condensed system cannot lose a quarter of its volume unless it is squeezed: at 10 GPa copper loses 6 %,
# water a third. Nobody who means 1 bar means that; 1 eV/A^3 is 160 GPa.
SQUEEZED, PRESS = -0.25, 10.0


def check_volume(evidence: PhysicsEvidence) -> Check:
    """The cell collapses or bursts."""
    checks = [check for track in evidence.tracks if (check := _judged(track)) is not None]
    wrong = [each for each in checks if each.verdict == "flagged"]
    if wrong:
        return min(wrong, key=lambda each: each.severity != "wrong")
    if checks:
        return max(checks, key=lambda each: abs(each.numbers.get("change", 0.0)))
    return Check(
        NAME, "not enough evidence", "no volume was recorded: not periodic along all axes, or no driver"
    )


def _judged(track: Track) -> Check | None:
    volumes = track.values("volume_a3")
    known = np.isfinite(volumes) & (volumes > 0)
    if track.phase is None or not known.any():
        return None
    places, volumes = np.flatnonzero(known), volumes[known]
    ratios = volumes / volumes[0]
    change = float(ratios[-1] - 1)
    numbers: dict[str, float] = {
        "change": change,
        "first_a3": float(volumes[0]),
        "last_a3": float(volumes[-1]),
    }
    extreme = int(abs(np.log(ratios)).argmax())
    if abs(ratios[extreme] - 1) <= NOTED:
        constant = np.ptp(ratios) < ROUNDING
        how = "is constant" if constant else f"changed by {percentage(change, signed=True)}"
        text = f"the volume {how}"
        return Check(NAME, "clear", text, numbers, len(volumes))
    whole = float(ratios[extreme] - 1)
    text = f"The volume {'grew' if whole > 0 else 'fell'} by {100 * abs(whole):.0f} %"
    pressure = _pressure(track)
    if pressure is not None:
        before, after, target = pressure
        numbers |= {"first_gpa": before, "last_gpa": after, "target_gpa": target}
        text += (
            f", the pressure is {figures(after)} GPa, target {figures(target)}, at first {figures(before)}"
        )
    arrived = pressure is not None and abs(after - target) < max(PRESSURE, NEARER * abs(before - target))
    bursting = max(ratios[extreme], 1 / ratios[extreme]) > BURST
    condensed = track.n_atoms > 0 and volumes[0] / track.n_atoms < CONDENSED_A3
    squeezed = condensed and whole < SQUEEZED and pressure is not None and abs(pressure[2]) > PRESS
    away = not arrived and (bursting or pressure is not None)
    if track.is_md and len(volumes) >= FEWEST_SAMPLES and (away or squeezed):
        begun = int(np.flatnonzero(abs(ratios - 1) > NOTED)[0])
        since = track.since(int(places[begun]))
        return Check(
            NAME, "flagged", f"{text}; beyond a fifth since {since.words}", numbers, len(volumes), since
        )
    return Check(NAME, "flagged", f"{text}: is that intended?", numbers, len(volumes), severity="info")


def _pressure(track: Track) -> tuple[float, float, float] | None:
    """Return the pressure in the first and the last third of the run, and its target, GPa."""
    pressures, targets = track.values("pressure_gpa"), track.values("target_gpa")
    known = np.isfinite(pressures) & np.isfinite(targets)
    if known.sum() < FEWEST_SAMPLES:
        return None
    values, third = pressures[known], max(int(known.sum()) // 3, 1)
    return float(values[:third].mean()), float(values[-third:].mean()), float(targets[known][-1])
