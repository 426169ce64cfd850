"""A standard deviation that single outliers do not change: from the median absolute deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Ratio of a normal distribution's standard deviation to its median absolute deviation.
MAD_TO_SD = 1.4826


def robust_deviation(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of values that are normal but for outliers.

    Args:
        values: Shape (n,), at least one.
    """
    return MAD_TO_SD * float(np.median(abs(values - np.median(values))))
