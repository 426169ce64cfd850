"""Whether a program with a remedy computes the same as without: energies and forces, call by call.

Calls of equal number are the same geometry as long as the program repeats itself; two runs as it is show how
far. From there on (random velocities, say) nothing is compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.trial.metered_run import MeteredRun

# Rounding errors grow along a trajectory, so that later calls differ in any case.
MOST_CALLS = 100


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """Result of the comparison.

    Attributes:
        verdict: `equal`, `differ` or `not checked`.
        calls: Calls compared, up to the first that differs.
        energy_ev: Largest difference of an energy, eV per atom; None if no energy was compared.
        force_ev_a: Largest difference of a force component, eV/A; None if no force was compared.
        why: What differs, or why nothing was compared.
    """

    verdict: str
    calls: int
    energy_ev: float | None = None
    force_ev_a: float | None = None
    why: str = ""


def check_values(
    as_is: Sequence[MeteredRun], changed: MeteredRun, energy_ev: float, force_ev_a: float
) -> ValueCheck:
    """Compare the values of a run with a remedy with those of the program as it is.

    Args:
        as_is: Two or more runs of the program as it is.
        changed: The run with the remedy.
        energy_ev: Largest accepted difference of an energy, eV per atom.
        force_ev_a: Largest accepted difference of a force, eV/A; relative for forces above 1 eV/A.
    """
    if len({run.first_positions for run in as_is}) > 1:
        return ValueCheck(
            "not checked", 0, why="the program starts from other positions each time: set its seeds"
        )
    reference, *others = as_is
    if changed.first_positions != reference.first_positions:
        return ValueCheck("differ", 0, why="the first geometry differs")
    largest_energy = largest_force = None
    compared = 0
    for call in range(min(MOST_CALLS, changed.calls, *(run.calls for run in as_is))):
        if not all(_agree(reference, run, call, energy_ev, force_ev_a) for run in others):
            break
        energy, force = _differences(reference, changed, call)
        if energy is None and force is None:
            break
        compared += 1
        largest_energy = _larger(largest_energy, energy)
        largest_force = _larger(largest_force, force)
        if not _within(reference, call, energy, force, energy_ev, force_ev_a):
            return ValueCheck("differ", compared, largest_energy, largest_force, _words(call, energy, force))
    if not compared:
        return ValueCheck(
            "not checked", 0, why="the program computes neither energies nor forces twice alike"
        )
    return ValueCheck("equal", compared, largest_energy, largest_force)


def _agree(one: MeteredRun, other: MeteredRun, call: int, energy_ev: float, force_ev_a: float) -> bool:
    energy, force = _differences(one, other, call)
    return _within(one, call, energy, force, energy_ev, force_ev_a)


def _within(  # noqa: PLR0913, PLR0917 - the differences and what is accepted
    run: MeteredRun,
    call: int,
    energy: float | None,
    force: float | None,
    energy_ev: float,
    force_ev_a: float,
) -> bool:
    # Written so that NaN is not within.
    if energy is not None and not energy <= energy_ev:
        return False
    return force is None or force <= force_ev_a * max(1.0, float(np.abs(run.forces[call]).max(initial=0.0)))


def _differences(one: MeteredRun, other: MeteredRun, call: int) -> tuple[float | None, float | None]:
    """Return the differences of the energy per atom and of the forces; inf where only one run has them."""
    energies = one.energies_ev[call], other.energies_ev[call]
    known = [math.isfinite(each) for each in energies]
    atoms = max(int(one.sizes[call]), 1)
    energy = float(abs(energies[0] - energies[1])) / atoms if all(known) else None
    if any(known) and not all(known):
        energy = math.inf
    forces = one.forces.get(call), other.forces.get(call)
    if forces[0] is None or forces[1] is None:
        return energy, None
    if forces[0].shape != forces[1].shape:
        return energy, math.inf
    return energy, float(np.abs(forces[0] - forces[1]).max(initial=0.0))


def _larger(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else max(one, other)


def _words(call: int, energy: float | None, force: float | None) -> str:
    parts = [] if energy is None else [f"{energy:.1e} eV per atom"]
    parts += [] if force is None else [f"forces by {force:.1e} eV/A"]
    return f"call {call} differs by {', '.join(parts)}"
