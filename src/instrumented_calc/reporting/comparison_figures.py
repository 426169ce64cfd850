"""The figures of a comparison: only of runs that may be compared."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from instrumented_calc.quantities import time_unit
from instrumented_calc.reporting.comparison import COMPONENTS_SHOWN
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instrumented_calc.analysis.comparison.comparison import Comparison
    from instrumented_calc.analysis.statistics.ratio import Ratio

RUNS_SHOWN = 40
QUANTITY = "quantity"


def figures_of_comparison(comparison: Comparison) -> list[Figure]:
    """Return times of both sides and their ratios; nothing if the runs are not comparable.

    Args:
        comparison: Result of the comparison.
    """
    if not comparison.comparable:
        return []
    times = {"median": comparison.median, **comparison.tails}
    named = {name: ratio for name, ratio in times.items() if ratio is not None}
    parts = dict(list(comparison.components.items())[:COMPONENTS_SHOWN])
    found = [
        _times("time_per_call", "Time per call", named),
        _ratios(named | {f"{name}, median" if name in named else name: each for name, each in parts.items()}),
        _times("components", "Components, median per call", parts),
        _runs(comparison),
    ]
    return [each for each in found if each.points]


def _times(name: str, title: str, ratios: Mapping[str, Ratio]) -> Figure:
    size, unit = time_unit([each.before_ns or each.after_ns for each in ratios.values()])
    points = tuple(
        Point(side, one_line(quantity), value / size)
        for quantity, ratio in ratios.items()
        for side, value in (("before", ratio.before_ns), ("after", ratio.after_ns))
        if value is not None
    )
    return Figure(name, title, QUANTITY, unit, points)


def _ratios(ratios: Mapping[str, Ratio]) -> Figure:
    points = tuple(
        Point("after/before", one_line(name), ratio.value, ratio.interval.low, ratio.interval.high)
        for name, ratio in ratios.items()
        if ratio.value is not None and ratio.interval is not None
    )
    title = "Time after over before, 95 % interval: below 1 is faster"
    return Figure("ratios", title, QUANTITY, "after/before", points, logarithmic=True, reference=1.0)


def _runs(comparison: Comparison) -> Figure:
    """Return the median of each run, in the order given, if there are replicates."""
    measured = [
        (side, number, run.name, run.quantiles_ns[0])
        for side, runs in (("before", comparison.before), ("after", comparison.after))
        for number, run in enumerate(runs, start=1)
        if run.quantiles_ns
    ]
    size, unit = time_unit([median for *_, median in measured])
    shown = measured if comparison.replicated and len(measured) <= RUNS_SHOWN else []
    points = tuple(
        Point(side, one_line(f"{side} {number}: {PurePath(name).name}"), median / size)
        for side, number, name, median in shown
    )
    return Figure("runs", "Median of each run", "run", unit, points)
