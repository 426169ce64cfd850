"""Kinetic energy that collects in the motion of the whole system: the flying ice cube.

Forces of atoms on each other sum to zero, so an isolated system keeps its total momentum. Thermostats that
scale velocities can move the energy of vibrations into it (Harvey, Tan, Cheatham, J. Comput. Chem. 19, 726
(1998)), and so do forces that do not sum to zero. In a field from outside, such as gravity, they do not, and
the system falls: then the potential energy falls as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track

NAME = "momentum-drift"
FEWEST_ATOMS, FEWEST_SAMPLES = 8, 6
# Share of the kinetic energy in the centre of mass. At equilibrium it is 1/N on average, so for 8 atoms a
# median of half is a chance of less than one in a thousand; and it must have grown from what it was.
MOST, GROWN = 0.5, 5.0
COLD_EV = 1e-4  # per atom, 1 K: at rest, the share says nothing
# What falls in a field gets its kinetic energy from the potential one. Without a field in the energy, the
# sum of both grows as much as the motion of the whole.
PAID, NET = 0.2, 0.01
FEWEST_ENERGIES, FEWEST_PAIRS = 2, 4
SMOOTH = 0.02  # of smooth potentials, work and energy differ by less


def check_momentum(evidence: PhysicsEvidence) -> Check:
    """The whole system has begun to fly."""
    checks = [check for track in evidence.tracks if track.is_md and (check := _judged(track)) is not None]
    wrong = [each for each in checks if each.verdict == "flagged"]
    if wrong or checks:
        return (wrong or checks)[0]
    return Check(NAME, "not enough evidence", "no momenta of at least 8 atoms were recorded")


def _judged(track: Track) -> Check | None:
    kinetic, centre = track.values("kinetic_ev"), track.values("centre_kinetic_ev")
    if track.n_atoms < FEWEST_ATOMS:
        return None
    known = np.isfinite(kinetic) & np.isfinite(centre) & (kinetic > COLD_EV * track.n_atoms)
    if known.sum() < FEWEST_SAMPLES:
        return None
    shares = centre[known] / kinetic[known]
    third = max(len(shares) // 3, 3)
    late = float(np.median(shares[-third:]))
    numbers = {"share": late, "first_share": float(shares[0])}
    if late <= MOST or late < GROWN * shares[0]:
        text = f"{percentage(late)} of the kinetic energy is motion of the whole system"
        return Check(NAME, "clear", text, numbers, len(shares))
    constraints = _acting_constraints(track)
    if constraints:
        return Check(NAME, "not enough evidence", f"momentum, because {constraints} may push the atoms")
    if _falls(track):
        text = (
            f"{percentage(late)} of the kinetic energy is motion of the whole system, which falls in a field"
            " that the energy contains"
        )
        return Check(NAME, "clear", text, numbers, len(shares))
    since = track.since(int(np.flatnonzero(known)[int(np.flatnonzero(shares > MOST)[0])]))
    text = (
        f"The whole system flies: {100 * late:.0f} % of the kinetic energy is its motion, more than half"
        f" since {since.words}"
    )
    return Check(NAME, "flagged", text, numbers, len(shares), since)


def _acting_constraints(track: Track) -> str:
    """Return the names of the constraint classes that may push the atoms, separated by commas."""
    lists = [each.acting_constraints for each in track.states]
    return ", ".join(sorted({name for names in lists if isinstance(names, list) for name in names}))


def _falls(track: Track) -> bool:
    """Return whether a net force moves the whole system, and the potential energy falls accordingly."""
    net, norm = track.values("net_force_ev_a"), track.values("force_norm_ev_a")
    if not np.nanmedian(net / norm) > NET:
        return False
    centre, conserved = track.values("centre_kinetic_ev"), track.values("conserved_ev")
    known = np.isfinite(centre) & np.isfinite(conserved)
    if known.sum() >= FEWEST_ENERGIES:
        return bool(np.ptp(conserved[known]) < PAID * np.ptp(centre[known]))
    work, change = track.values("work_ev"), track.values("energy_change_ev")
    compared = np.flatnonzero(np.isfinite(work) & np.isfinite(change))[-FEWEST_PAIRS:]
    rest = abs(work + change)[compared].sum()
    return len(compared) == FEWEST_PAIRS and bool(rest < SMOOTH * abs(work[compared]).sum())
