"""Whether a fitted law carries a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.size_law import fit_size_law

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.statistics.size_law import SizeLaw
    from instrumented_calc.analysis.statistics.student_t import Estimate

# A law of three parameters, fitted to sizes that typically span a factor of 16, is not carried further than
# this beyond them. Judgement.
MOST_BEYOND = 10.0
# An interval whose ends differ by more than this factor is too wide to set a limit from. Judgement.
MOST_UNCERTAIN = 3.0
# Sizes that follow the law deviate so much by chance once in a thousand scalings.
MISFIT = 0.001


def law_of(rows: Sequence[tuple[int, float]]) -> SizeLaw | None:
    """Fit the law to pairs of a number of atoms and a cost; None if there are too few."""
    return fit_size_law(np.array([n for n, _ in rows], np.float64), np.array([cost for _, cost in rows]))


def beyond(n_atoms: float, sizes: Sequence[int]) -> float:
    """Return the factor by which a size is outside the measured ones; 1 within them."""
    return max(n_atoms / max(sizes), min(sizes) / n_atoms, 1.0)


def largest_carried(found: Estimate, sizes: Sequence[int]) -> tuple[Estimate | None, int | None]:
    """Return the largest number of atoms that fits, where the sizes carry it, or how many fit at least.

    Args:
        found: The extrapolated number.
        sizes: The measured sizes.

    Returns:
        One of the two, the other None; both None if no size surely fits.
    """
    reach = MOST_BEYOND * max(sizes)
    if found.value <= reach and found.high <= MOST_UNCERTAIN * found.low:
        return found, None
    return None, int(min(reach, found.low)) or None


def objection(law: SizeLaw, found: Estimate, times: float) -> str:
    """Return why a law does not carry a prediction; empty if it does.

    Args:
        law: The law.
        found: Its prediction.
        times: How far outside the measured sizes, see `beyond`.
    """
    if times > MOST_BEYOND:
        return f"it is {times:.0f} times outside the measured sizes, and {MOST_BEYOND:.0f} times is the most"
    if times > 1 and law.misfit is not None and law.misfit < MISFIT:
        return "the measured sizes do not follow one law"
    if found.high > MOST_UNCERTAIN * found.low:
        return "its interval is too wide to be of use"
    return ""
