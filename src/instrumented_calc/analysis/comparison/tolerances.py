"""How far energies and forces of equal frames may differ: by the least precise dtype of the runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.hardware import Evidence

# Words of a dtype, or of torch's and Orb's names of a matmul precision, that mean less than single precision.
REDUCED = ("float16", "half", "tf32", "-high", "-medium")
SINGLE, DOUBLE = ("float32", "single"), ("float64", "double")
OF_MODEL = ("model's dtype", "model's precision")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest accepted differences on one frame.

    Attributes:
        energy_ev: Of the energy, eV per atom.
        force_ev_a: Of a force, eV/A, or of its size where the largest force exceeds 1 eV/A.
    """

    energy_ev: float
    force_ev_a: float


# A reordered sum differs by the rounding error of its dtype, 1e-16 or 1e-7 of some eV per atom, and forces as
# sums of terms that cancel by ten to a hundred times that; rounding errors then grow along a trajectory.
OF_DOUBLE = Tolerance(1e-6, 1e-5)
OF_SINGLE = Tolerance(1e-5, 1e-3)
# About the accuracy of the models themselves: bfloat16 and TF32 have 8 and 11 bits.
OF_REDUCED = Tolerance(1e-3, 3e-2)


def tolerance_of(runs: Sequence[Evidence], *, precision_under_test: bool) -> Tolerance:
    """Return the tolerance for these runs; an unknown dtype is treated as single precision.

    Args:
        runs: Evidence of the runs of both sides.
        precision_under_test: Whether precision, device or compilation differ on purpose.
    """
    known = [run.get("dtype", {}).get(name, "") for run in runs for name in OF_MODEL]
    words = [each.lower().replace("highest", "") for each in known if each]
    if precision_under_test or any(mark in word for word in words for mark in REDUCED):
        return OF_REDUCED
    single = any(mark in word for word in words for mark in SINGLE)
    double = any(mark in word for word in words for mark in DOUBLE)
    return OF_DOUBLE if double and not single else OF_SINGLE
