"""Rule `values-differ`: check that all modes compute the same before comparing their times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.experiment_checks import VALUES_DIFFER
from instrumented_calc.analysis.study.checks import Problem, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Values = Mapping[str, NDArray[Any]]

# Relative to the largest value; reordered sums differ by less.
TOLERANCES = {"float64": 1e-10, "float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}


def tolerance_of(*tags: str) -> float:
    """Return the largest accepted difference, relative to the largest value: that of the lowest precision.

    Args:
        *tags: Tags of the compared cells; each begins with the dtype.
    """
    return max(TOLERANCES.get(tag.partition(" ")[0], TOLERANCES["float64"]) for tag in tags)


def compare(file: str, reference: Values, values: Values, who: str, tolerance: float) -> Problem | None:
    """Compare the values of two cells.

    Args:
        file: Name of the input.
        reference: NumPy's arrays by quantity.
        values: The arrays of another cell.
        who: Its name.
        tolerance: Largest difference, relative to the largest value of the quantity.

    Returns:
        The first quantity that differs, or None.
    """
    for name in sorted({*reference, *values}):
        if name not in reference or name not in values:
            return problem(VALUES_DIFFER, file, f"{who}: only one side has {name}")
        ours, theirs = np.asarray(values[name], np.float64), np.asarray(reference[name], np.float64)
        if ours.shape != theirs.shape:
            return problem(VALUES_DIFFER, file, f"{who}: {name} is {ours.shape}, not {theirs.shape}")
        if not ours.size:
            continue
        finite = np.isfinite(theirs)
        scale = float(np.abs(theirs[finite]).max(initial=0.0)) or 1.0
        apart = np.where(finite & np.isfinite(ours), np.abs(np.where(finite, ours - theirs, 0.0)), np.inf)
        worst = float(apart.max())
        if not worst <= tolerance * scale:
            place = tuple(int(each) for each in np.unravel_index(int(apart.argmax()), apart.shape))
            text = (
                f"{who}: {name}{list(place)} is {ours[place]:.10g}, not {theirs[place]:.10g}:"
                f" difference {worst / scale:.2g} of the largest value ({tolerance:g} is accepted)"
            )
            return problem(VALUES_DIFFER, file, text)
    return None
