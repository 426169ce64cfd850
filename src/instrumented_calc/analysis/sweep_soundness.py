"""Which simulations of a sweep are broken, and what was not judged of the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class SweepSoundness:
    """What a report on each cell that is done would say of its simulation.

    Attributes:
        broken: What is wrong and since when, by key of the cell; the fault that began first comes first.
        others: Number of the cells of which no fault is seen.
        not_judged: In how many of these a rule had not enough evidence, by rule; most frequent first.
    """

    broken: Mapping[str, Sequence[str]]
    others: int
    not_judged: Mapping[str, int]


def soundness_of(cells: Sequence[Mapping[str, Any]]) -> SweepSoundness:
    """Return which simulations are broken.

    Args:
        cells: Figures of the cells, as their files hold them.
    """
    broken = {str(each["key"]): each["broken"] for each in cells if each["broken"]}
    others = [each for each in cells if not each["broken"]]
    counts = Counter(rule for each in others for rule in each["not_judged"])
    return SweepSoundness(broken, len(others), dict(counts.most_common()))
