"""Temperature far from what the thermostat aims at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.analysis.observation import Severity
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "temperature-off"
FEWEST_SAMPLES = 9
# Relaxation times of the thermostat after which the temperature must have arrived; 1 ps where it is unknown.
RELAXATIONS, UNKNOWN_FS = 5.0, 1000.0
# Share of the target. Thermostats of ASE with a sensible time step are within some percent.
FAR, DEVIATIONS = 0.3, 5.0
# Times the target at the end of a run that was too short for the thermostat, and the part of its relaxation
# time beyond which this may be one part of a slow quench. A crystal that starts at twice its target is at the
# target at once, because its springs take half of the energy.
TOO_HOT, SLOW_QUENCH = 3.0, 0.1
# A run of so many fs has turned the start's potential energy into heat and back. Far from the target then, by
# a thermostat that has not acted for that part of its time, it is a run without one: worth a look.
LONG_FS = 1000.0
# If it has come a fifth nearer since the first third of the run, it is still arriving.
NEARER = 0.8
HOT = 1e6


def check_temperature(evidence: PhysicsEvidence) -> Check:
    """The temperature stays far from the target of the thermostat."""
    checks = [check for track in evidence.tracks if (check := _judged(track)) is not None]
    wrong = [each for each in checks if each.verdict == "flagged"]
    if wrong or checks:
        return (wrong or checks)[0]
    targets = [track for track in evidence.tracks if np.isfinite(track.values("target_k")).any()]
    if targets:
        return Check(NAME, "not enough evidence", "too short for the thermostat to reach its target")
    # Under an optimizer atoms keep the velocities that they have.
    moving = [each for each in evidence.tracks if each.phase is None or each.phase.kind != "optimizer"]
    known = [track.values("temperature_k") for track in moving]
    known = [each[np.isfinite(each)] for each in known if np.isfinite(each).any()]
    if not known:
        if evidence.tracks and not moving:
            return Check(NAME, "clear", "no dynamics, which would have a temperature", n=evidence.calls)
        return Check(NAME, "not enough evidence", "no temperature was recorded")
    late = known[-1][len(known[-1]) // 3 :]
    text = f"temperature {late.mean():,.0f} +- {late.std():,.0f} K, no target"
    return Check(NAME, "clear", text, {"mean_k": float(late.mean())}, len(late))


def _judged(track: Track) -> Check | None:
    temperatures, targets, times = track.values("temperature_k"), track.values("target_k"), track.times_ps()
    known = np.isfinite(temperatures) & np.isfinite(targets) & (targets > 0)
    if times is None or not track.n_atoms or known.sum() < FEWEST_SAMPLES or track.phase is None:
        return None
    known &= np.isfinite(times)
    ratios, when = temperatures[known] / targets[known], 1e3 * times[known]
    relaxation = track.phase.thermostat_fs
    relaxation = relaxation if isinstance(relaxation, float) and relaxation > 0 else UNKNOWN_FS
    if not len(when) or when[-1] - when[0] < RELAXATIONS * relaxation:
        return _too_slow(track, ratios, when, known, relaxation)
    ratios = temperatures[known] / _expected(temperatures[known], targets[known], when, relaxation)
    late, early = when >= when[0] + 2 * np.ptp(when) / 3, when <= when[0] + np.ptp(when) / 3
    if late.sum() < FEWEST_SAMPLES // 3:
        late[-FEWEST_SAMPLES // 3 :] = True
    ratio, before = float(ratios[late].mean()), float(ratios[early].mean())
    # Independent values: not more than samples, nor than relaxation times.
    independent = min(int(late.sum()), max(np.ptp(when) / 3 / relaxation, 1.0))
    fluctuation = (2 / (3 * track.n_atoms)) ** 0.5 / independent**0.5
    target, mean = float(targets[known][-1]), float(temperatures[known][late].mean())
    spread = float(temperatures[known][late].std())
    numbers = {"mean_k": mean, "target_k": target, "spread_k": spread}
    far = abs(ratio - 1) > max(FAR, DEVIATIONS * fluctuation)
    if not far or abs(ratio - 1) < NEARER * abs(before - 1):
        text = f"temperature {mean:,.0f} +- {spread:,.0f} K, target {target:,.0f} K"
        return Check(NAME, "clear", text, numbers, int(late.sum()))
    since = track.since(int(np.flatnonzero(known)[_begun(ratios, late)]))
    text = f"The temperature is {_kelvin(mean)} instead of {_kelvin(target)}, too far since {since.words}"
    return Check(NAME, "flagged", text, numbers, int(late.sum()), since)


def _expected(
    temperatures: NDArray[np.float64],
    targets: NDArray[np.float64],
    when: NDArray[np.float64],
    relaxation: float,
) -> NDArray[np.float64]:
    """Return for each temperature the nearest one that a thermostat allows whose target changes.

    It follows its target with its relaxation time, so anything between both is expected of it. When the
    target changed between two samples is not known: with the second one at the latest, with the first at the
    earliest.
    """
    high, low = np.array(targets, dtype=float), np.array(targets, dtype=float)
    for place, left in enumerate(np.exp(-np.diff(when) / relaxation), 1):
        both = targets[place - 1 : place + 1]
        high[place] = both.max() + (high[place - 1] - both.max()) * left
        low[place] = both.min() + (low[place - 1] - both.min()) * left
    return np.clip(temperatures, np.minimum(targets, low), np.maximum(targets, high))


def _too_slow(
    track: Track,
    ratios: NDArray[np.float64],
    when: NDArray[np.float64],
    known: NDArray[np.bool_],
    relaxation: float,
) -> Check | None:
    """Judge a run that ended before its thermostat could act: nothing else would bring it to the target."""
    last, middle = when >= when[0] + 2 * np.ptp(when) / 3, when >= when[0] + np.ptp(when) / 3
    if not track.ended or min(last.sum(), (middle & ~last).sum()) == 0:
        return None
    acted = float(np.ptp(when))
    hot = ratios[last].min() >= TOO_HOT
    idle = LONG_FS <= acted < SLOW_QUENCH * relaxation and _is_far(ratios[middle])
    if not hot and not idle:
        return None
    ratio, before = float(ratios[last].mean()), float(ratios[middle & ~last].mean())
    if abs(ratio - 1) < NEARER * abs(before - 1):
        return None
    mean = float(track.values("temperature_k")[known][last].mean())
    target = float(track.values("target_k")[known][-1])
    text = (
        f"The temperature is {_kelvin(mean)} instead of {_kelvin(target)}, and the thermostat, which needs"
        f" {figures(relaxation)} fs to change it, acted for {figures(acted)} fs only"
    )
    # Part of a slow quench, perhaps: only the user can judge it.
    severity: Severity = "wrong" if hot and acted <= SLOW_QUENCH * relaxation else "info"
    numbers = {"mean_k": mean, "target_k": target}
    return Check(NAME, "flagged", text, numbers, int(last.sum()), severity=severity)


def _is_far(ratios: NDArray[np.float64]) -> bool:
    """Return whether the mean of these ratios to the target is far from 1, beyond its standard error."""
    error = float(ratios.std()) / len(ratios) ** 0.5
    return bool(abs(ratios.mean() - 1) > max(FAR, DEVIATIONS * error))


def _begun(ratios: NDArray[np.float64], late: NDArray[np.bool_]) -> int:
    """Return from which sample on the temperature was beyond the limit on average."""
    sign = 1.0 if ratios[late].mean() > 1 else -1.0
    beyond = np.clip(sign * (ratios - 1), -1.0, 1.0) - FAR
    return len(beyond) - 1 - int(np.cumsum(beyond[::-1]).argmax())


def _kelvin(value: float) -> str:
    return f"{value:,.0f} K" if value < HOT else f"{figures(value)} K"
