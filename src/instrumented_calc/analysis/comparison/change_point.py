"""Whether and where the level of a short series changed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# With fewer values, no order of them is rare enough.
FEWEST_VALUES = 8
PERMUTATIONS = 2_000
SIGNIFICANT = 0.01


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change of level.

    Attributes:
        place: Number of values before the change.
        ratio: Geometric mean after the change over that before it.
        chance: Share of random orders of the same values that look as much like a change.
    """

    place: int
    ratio: float
    chance: float


def change_point(values: Sequence[float], seed: int = 0) -> ChangePoint | None:
    """Return the most likely change of level of a series, or None if random orders have one as well.

    The place is where the two parts differ most, in units of the error of their difference: the likelihood
    ratio for one change of a normal mean (Hinkley, Biometrika 57, 1 (1970)). Its significance is that of a
    permutation test, which needs no distribution of the values.

    Args:
        values: Positive values in order of time.
        seed: Seed of the permutations.
    """
    if len(values) < FEWEST_VALUES:
        return None
    logs = np.log(np.asarray(values, np.float64))
    found = _gains(logs[None, :])[0]
    place = int(found.argmax()) + 1
    orders = np.random.default_rng(seed).permuted(np.tile(logs, (PERMUTATIONS, 1)), axis=1)
    # A tie counts as well; sums in another order differ by rounding.
    as_good = _gains(orders).max(axis=1) >= found.max() * (1 - 1e-9)
    chance = (1 + int(as_good.sum())) / (PERMUTATIONS + 1)
    if chance > SIGNIFICANT:
        return None
    return ChangePoint(place, math.exp(float(logs[place:].mean() - logs[:place].mean())), chance)


def _gains(rows: Floats) -> Floats:
    """Return for each place the sum of squares that two levels explain and one does not."""
    size = rows.shape[1]
    sums = np.cumsum(rows - rows.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    before = np.arange(1, size)
    gains: Floats = sums**2 * size / (before * (size - before))
    return gains
