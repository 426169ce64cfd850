"""The least-squares line through a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through the centre of a series.

    Attributes:
        slope: Change of the values per unit of the abscissa.
        centre: Mean abscissa.
        level: Mean value.
        spread: Sum of the squared distances of the abscissas from their mean.
    """

    slope: float
    centre: float
    level: float
    spread: float

    def at(self, along: Floats) -> Floats:
        """Return the line's values at abscissas."""
        return self.level + self.slope * (along - self.centre)


def fit_line(along: Floats, values: Floats) -> Line | None:
    """Fit a line by least squares.

    Args:
        along: Abscissas, at least one.
        values: Values at the abscissas.

    Returns:
        None if all abscissas are equal.
    """
    # Used in the recorded process, so neither scipy (25 MB) nor `distance @ distance` and `np.polyfit`, for
    # which the linear algebra library would start threads and take 30 MB.
    centre, level = float(along.mean()), float(values.mean())
    distance = along - centre
    spread = float(np.square(distance).sum())
    if not spread:
        return None
    return Line(float((distance * (values - level)).sum()) / spread, centre, level, spread)
