"""Find what happens every k-th time: periods of long durations in a series."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

# Values count as long above these multiples of the usual one. On a busy machine others are also long, at
# random: what is periodic is found among the longer ones.
LONG = (1.5, 3.0, 10.0, 30.0)
# The least number of periodic values, and the share of the places of a period that must be long.
FEWEST, OFTEN = 6, 0.7
# The largest share of the other places that may be long, and of all long values that may be elsewhere.
RARELY, ELSEWHERE = 0.2, 0.5
CANDIDATES = 6
# Folding: the longest period, the number of long values it looks at, the probability with which it may find a
# period among values that are long at random, and the largest number of other long values at one phase,
# relative to those at the found one: more belong to a wave.
LONGEST, MOST_LONG, CHANCE, OTHER_PHASE = 500, 1000, 1e-5, 0.5


@dataclass(frozen=True, slots=True)
class Period:
    """Long values at regular distances.

    Attributes:
        length: The distance, in places of the series.
        hits: Indices of the long values in the series.
        excess: Their sum beyond the usual value.
    """

    length: int
    hits: Integers
    excess: float


def find_period(places: Integers, values: NDArray[np.float64], usual: float) -> Period | None:
    """Return the period with the largest excess, or None.

    Args:
        places: Place of each value in the whole series, ascending; some places may be missing.
        values: The values.
        usual: The usual value.
    """
    long = [np.flatnonzero(values > factor * usual) for factor in LONG if usual > 0]
    found = [_among(places, each) for each in long]
    if not any(found):
        found = [_folded(places, each) for each in long]
    periods = [
        Period(length, hits, float(values[hits].sum() - usual * len(hits)))
        for length, hits in (each for each in found if each is not None)
    ]
    return max(periods, key=lambda each: each.excess, default=None)


def _among(places: Integers, long: Integers) -> tuple[int, Integers] | None:
    """Return the period of some long values and those that follow it."""
    if not FEWEST <= len(long) <= len(places) // 2 + 1:
        return None
    at = places[long]
    best: tuple[int, Integers] | None = None
    for length in _candidates(at):
        phase = Counter((at % length).tolist()).most_common(1)[0][0]
        hits = long[at % length == phase]
        if len(hits) < max(FEWEST, (1 - ELSEWHERE) * len(long)) or (best and len(hits) <= len(best[1])):
            continue
        slots = int((places % length == phase).sum())
        elsewhere = (len(long) - len(hits)) / max(len(places) - slots, 1)
        if len(hits) >= OFTEN * slots and elsewhere <= RARELY:
            best = length, hits
    return best


def _candidates(at: Integers) -> list[int]:
    """Return the commonest distances between long values, shortest first, without 1."""
    distances = Counter(np.diff(at).tolist()) + Counter((at[2:] - at[:-2]).tolist())
    return sorted(length for length, _ in distances.most_common(CANDIDATES) if length > 1)


def _folded(places: Integers, long: Integers) -> tuple[int, Integers] | None:
    """Return a period that hides among random long values: places modulo each k are compared."""
    if not FEWEST <= len(long) <= RARELY * len(places):
        return None
    # A part of the series is enough to find it.
    kept, some = (places, long) if len(long) <= MOST_LONG else (places[: long[MOST_LONG]], long[:MOST_LONG])
    at, number = places[some], len(kept)
    longest = min(int(kept[-1] - kept[0]) // FEWEST, LONGEST)
    least_evidence = math.log(max(longest, 1) ** 2 / CHANCE)
    best = most = 0
    for length in range(2, longest + 1):
        counts = np.bincount(at % length, minlength=length)
        hits = int(counts.max())
        if hits <= max(most, FEWEST - 1) or hits < OFTEN / 2 * number / length:
            continue
        phase = int(counts.argmax())
        slots = int((kept % length == phase).sum())
        counts[phase] = 0
        elsewhere = max(len(some) - hits, 1) / max(number - slots, 1)
        if hits < OFTEN * slots or elsewhere > RARELY or counts.max() > OTHER_PHASE * hits:
            continue
        if slots * _divergence(hits / slots, elsewhere) >= least_evidence:
            best, most = length, hits
    if not best:
        return None
    phase = int(np.bincount(at % best).argmax())
    return best, long[places[long] % best == phase]


def _divergence(share: float, chance: float) -> float:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions, of Chernoff's bound, in nats."""
    left = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return share * math.log(share / chance) + left
