"""The numbers of the plots as tables, which are there without the script, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.course.latency_bins import part_names
from instrumented_calc.quantities import count, duration, figures, time_unit
from instrumented_calc.reporting.document import Table
from instrumented_calc.reporting.html.plot_data import span_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.course.course import Course
    from instrumented_calc.analysis.course.distribution import Distribution
    from instrumented_calc.analysis.course.events import Pin, PlacedCall, Span
    from instrumented_calc.analysis.course.series import BinnedSeries

MB = 1e6
LONG_NUMBER = 6  # significant figures of energies, whose changes matter


def latency_table(course: Course) -> Table:
    """Return latency over the course of a run."""
    size, unit = time_unit([each.median_ns for each in course.bins])
    rows = tuple(
        (
            _range(each.first, each.last),
            count(each.calls),
            figures(each.min_ns / size),
            figures(each.median_ns / size),
            figures(each.max_ns / size),
        )
        for each in course.bins
    )
    return Table((f"{course.axis}s", "calls", f"min, {unit}", f"median, {unit}", f"max, {unit}"), rows)


def parts_table(course: Course) -> Table:
    """Return the mean time of each part per call over the course of a run, and the time between calls."""
    names = part_names(course.bins)
    size, unit = time_unit([each.wall_ns / each.calls for each in course.bins])
    rows = tuple(
        (
            _range(each.first, each.last),
            *(figures(each.parts.get(name, 0) / each.calls / size) for name in names),
            figures(each.gap_ns / each.calls / size),
        )
        for each in course.bins
    )
    return Table((f"{course.axis}s", *(f"{name}, {unit}" for name in [*names, "between calls"])), rows)


def calls_table(calls: Sequence[PlacedCall], about: str) -> Table:
    """Return single calls with the time and cause of each."""
    size, unit = time_unit([each.wall_ns for each in calls])
    rows = tuple(
        (
            count(each.index),
            "-" if each.step is None else count(each.step),
            figures(each.wall_ns / size),
            each.cause or "no cause recorded",
        )
        for each in calls
    )
    return Table((about, "step", f"time, {unit}", "cause"), rows)


def spans_table(spans: Sequence[Span], pins: Sequence[Pin], axis: str) -> Table:
    """Return what happened when."""
    rows = [(str(each.kind), _range(each.first, each.last), span_words(each)) for each in spans]
    rows += [(each.kind, count(each.at), each.name) for each in pins]
    return Table(("what", f"{axis}s", "details"), tuple(rows))


def distribution_table(found: Distribution) -> Table:
    """Return how many calls took how long."""
    rows = tuple(
        (f"{duration(low)} to {duration(high)}", count(calls))
        for low, high, calls in zip(found.edges_ns, found.edges_ns[1:], found.calls, strict=False)
        if calls
    )
    return Table(("latency", "calls"), rows)


def series_table(series: Sequence[BinnedSeries], axis: str) -> Table:
    """Return quantities that were read together, a row for each position that any of them has."""
    at = sorted({place for each in series for place in each.at})
    columns = [dict(zip(each.at, each.middle, strict=True)) for each in series]
    rows = tuple(
        (
            count(place),
            *(
                "-" if place not in column else _value(column[place], each.unit)
                for each, column in zip(series, columns, strict=True)
            ),
        )
        for place in at
    )
    units = [f"{each.name}, {'MB' if each.unit == 'byte' else each.unit}" for each in series]
    return Table((axis, *units), rows)


def _range(first: int, last: int) -> str:
    return count(first) if first == last else f"{count(first)} to {count(last)}"


def _value(value: float, unit: str) -> str:
    return f"{value / MB:,.1f}" if unit == "byte" else f"{value:.{LONG_NUMBER}g}"
