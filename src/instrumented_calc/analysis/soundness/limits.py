"""Limits that several checks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Below this volume per atom, A^3, a system is condensed (water: 10, liquid argon: 47).
CONDENSED_A3 = 40.0
# A change of the energy that is expected to be seen: files print 1e-4 eV or better, and single precision
# resolves 6e-8 of the energy, so ten times that is visible.
VISIBLE_EV, VISIBLE_SHARE = 1e-3, 1e-6
# With TensorFloat-32 (10 bits of mantissa) the energy scatters far more: in MD of 8 Si atoms with Orb-v3 on
# an H200, by 1.1 meV of 40 eV from step to step.
VISIBLE_SHARE_TF32 = 3e-5
# Energies that all have at most so many digits were rounded, if they are more than a few.
MOST_DIGITS, FEWEST_ROUNDED = 3, 4


def rounded_to_ev(energies: NDArray[np.float64]) -> float:
    """Return to what energies were rounded, eV; 0 if they have more digits, or are too few to tell."""
    known = np.unique(energies[np.isfinite(energies)])
    if len(known) < FEWEST_ROUNDED:
        return 0.0
    return next((0.1**each for each in range(MOST_DIGITS + 1) if (known == known.round(each)).all()), 0.0)
