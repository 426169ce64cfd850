"""Savings counted once: what several findings would save is the first one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from instrumented_calc.analysis.rules.finding import Region

Claim = TypeVar("Claim", bound="Hashable")


def count_once(
    savings: Mapping[Claim, tuple[Region, float]], wall_ns: float, calculator_ns: float
) -> dict[Claim, float]:
    """Return savings that can be added up.

    A finding that saves whole calls shrinks what other findings could save in them. Of the rest, the largest
    saving is counted first, and none beyond the time that is left in its region.

    Args:
        savings: Region and saving of each finding, ns, each as if it were the only one.
        wall_ns: Wall time of the run.
        calculator_ns: Wall time in calls.

    Returns:
        The saving of each finding, ns: between 0 and its own, in sum at most the wall time.
    """
    left = {"anywhere": wall_ns, "calculator": calculator_ns, "outside": max(wall_ns - calculator_ns, 0.0)}
    kept = 1.0
    counted: dict[Claim, float] = {}
    order = sorted(savings, key=lambda name: (savings[name][0] != "calls", -savings[name][1]))
    for name in order:
        region, saving = savings[name]
        place = "calculator" if region == "calls" else region
        saving = max(saving, 0.0) * (kept if place == "calculator" else 1.0)
        saving = max(min(saving, left[place], left["anywhere"]), 0.0)
        if region == "calls" and left["calculator"] > 0:
            kept *= 1 - saving / left["calculator"]
        counted[name] = saving
        for each in {place, "anywhere"}:
            left[each] -= saving
    return counted
