"""Forces that are not the gradient of the energy.

Over a small displacement the work of the forces and the change of the energy sum to zero, whatever moved the
atoms. If they do not, one of the two is wrong: another unit or sign, noise, forces that were scaled or cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.analysis.soundness.limits import VISIBLE_SHARE, VISIBLE_SHARE_TF32, rounded_to_ev
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.analysis.observation import Severity
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "forces-not-gradient"
FEWEST = 4
# Median difference as a share of the median work. Of smooth potentials it is below 0.02, of a Lennard-Jones
# potential that ends abruptly below 0.1, and of trained models that predict forces directly some 0.1 to 0.3.
RUINED, VISIBLE = 0.5, 0.3
RESOLVED = 20.0  # times the energy's resolution: less work than that cannot be compared
# Ratios of the forces to the energy's gradient with a known reason (CODATA 2018: 1 eV = 23.0605 kcal/mol =
# 96.4853 kJ/mol, 1 Hartree = 27.2114 eV, 1 Bohr = 0.529177 A).
UNITS = {
    23.0605: "kcal/mol for eV",
    96.4853: "kJ/mol for eV",
    1 / 27.2114: "Hartree for eV",
    27.2114: "eV for Hartree",
    1 / 51.4221: "Hartree/Bohr for eV/A",
    0.529177: "eV/Bohr for eV/A",
    1 / 0.529177: "1/A for 1/Bohr",
    -1.0: "the opposite sign",
}
SAME_UNIT = 0.02
# Forces of atoms on each other sum to zero; if each is wrong by itself, the sum is as large as the norm.
# Of smooth potentials the work differs by less than SMOOTH.
UNBALANCED, SMOOTH = 0.3, 0.01
# Forces that are the gradient times a factor: nearly nothing is left without it. With forces 1.15 times too
# large, 13 % of the work differs, and 0.3 % without the factor; of 25 sound runs of classical potentials
# at most 0.5 % differs, with and without a factor.
SCALED, LEFT, FEWEST_SCALED = 0.05, 0.2, 8
LEAST_FORCE = 0.01  # eV/A: near a minimum only the noise is left


def check_force_work(evidence: PhysicsEvidence) -> Check:
    """The forces are not the gradient of the energy."""
    checks = [check for track in evidence.tracks if (check := _judged(track)) is not None]
    if not checks:
        missing = (
            "too few successive geometries in one cell, or too little work, to compare forces and energy"
        )
        return Check(NAME, "not enough evidence", missing)
    wrong = [each for each in checks if each.verdict == "flagged"]
    return min(wrong, key=lambda each: each.severity != "wrong") if wrong else checks[0]


def _judged(track: Track) -> Check | None:
    work, change = track.values("work_ev"), track.values("energy_change_ev")
    # An energy that does not change at all is judged as stale.
    known = np.isfinite(work) & np.isfinite(change) & (change != 0) & (work != 0)
    energies = track.values("potential_ev")
    resolution = rounded_to_ev(energies)
    compared = energies[known & np.isfinite(energies)]  # others may be those of an explosion
    if len(compared):
        share = VISIBLE_SHARE_TF32 if track.is_reduced else VISIBLE_SHARE
        resolution = max(resolution, share * float(abs(compared).max()))
    if known.sum() < FEWEST:
        return None
    work, change, places = work[known], change[known], np.flatnonzero(known)
    typical = float(np.median(abs(work)))
    if typical < RESOLVED * resolution:
        return None
    rest = abs(work + change)
    # The last ones, too: the forces may have become wrong during the run.
    share = max(_typical(rest, work), _typical(rest[-FEWEST:], work[-FEWEST:]))
    ratio = -float((work * change).sum() / (change**2).sum())
    numbers = {"share": share, "ratio": ratio, "work_ev": typical}
    pairs = f"{len(work):,} pairs of successive calls"
    net = _net_share(track)
    # A field that acts from outside gives a net force, too, but also an energy.
    unbalanced = net > UNBALANCED and share > SMOOTH
    exactly, roughly = _is_scaled(work, change, ratio, share)
    scaled = exactly or roughly
    if share < VISIBLE and not unbalanced and not scaled:
        text = f"forces are the gradient of the energy within {100 * share:.1g} %, in {pairs}"
        return Check(NAME, "clear", text, numbers, len(work))
    if scaled:
        reason = next(
            (f" ({each}?)" for unit, each in UNITS.items() if abs(ratio / unit - 1) < SAME_UNIT), ""
        )
        text = f"The forces are {figures(ratio)} times the gradient of the energy{reason}"
    else:
        much = f"{figures(share)} times" if share > 1 else f"{figures(100 * share)} % of"
        text = (
            f"The forces are not the gradient of the energy: its change and their work, {figures(typical)}"
            f" eV, differ by {much} the work (medians of {pairs})"
        )
    if unbalanced:
        text += f", and they sum to {figures(100 * net)} % of their norm instead of 0"
    if track.direct:
        text += " (the model predicts them directly)"
    driven = track.driven_by if not scaled else ""
    grave = (share > RUINED or unbalanced or exactly) and not (track.direct or driven)
    severity: Severity = "wrong" if grave else "info"
    differs = rest > (SCALED * abs(work) if exactly else min(share, VISIBLE) * typical)
    since = track.since(int(places[int(differs.argmax())]))
    text = f"{text}, since {since.words}"
    if driven:
        text += f"; not judged, because the energy of {driven} may change with time"
    return Check(NAME, "flagged", text, numbers, len(work), since, severity)


def _is_scaled(
    work: NDArray[np.float64], change: NDArray[np.float64], ratio: float, share: float
) -> tuple[bool, bool]:
    """Return whether the forces are the gradient times a factor: exactly, and roughly."""
    left, most = abs(work + ratio * change), min(share, abs(ratio - 1))
    all_left, last_left = _typical(left, work), _typical(left[-FEWEST:], work[-FEWEST:])
    exactly = len(work) >= FEWEST_SCALED and most > SCALED and max(all_left, last_left) < LEFT * share
    return exactly, most > VISIBLE and all_left < VISIBLE


def _typical(rest: NDArray[np.float64], work: NDArray[np.float64]) -> float:
    """Return the median difference as a share of the median work."""
    return float(np.median(rest) / np.median(abs(work)))


def _net_share(track: Track) -> float:
    """Return the median of the summed forces as a share of the forces' norm; 0 if unknown."""
    net, norm = track.values("net_force_ev_a"), track.values("force_norm_ev_a")
    known = np.isfinite(net) & (norm > LEAST_FORCE)
    return float(np.median(net[known] / norm[known])) if known.any() and track.n_atoms > 1 else 0.0
