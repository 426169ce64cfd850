"""Figures of experiments as drawings in a page, placed in percent: they fit any width without a script.

Groups become rows, each a bar from zero, or a point with its interval on a logarithmic axis, with its name
before it and its number behind it. Lines are drawn over two axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import figures
from instrumented_calc.reporting.html.palette import SERIES
from instrumented_calc.reporting.ticks import linear_ticks, log_ticks, tick_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.reporting.figure import Curve, Figure, Point

MOST_TICKS_OF_ROWS = 4  # of which each has room on a phone
MOST_TICKS_ALONG = 5
MOST_TICKS_UP = 6
ROOM = 1.06  # of the axis beyond the largest value
HEIGHT = 220  # of a plot of lines, in pixels
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis.

    Attributes:
        low: Value at its beginning.
        high: Value at its end.
        logarithmic: Whether it is logarithmic.
    """

    low: float
    high: float
    logarithmic: bool

    def at(self, value: float) -> float:
        """Return where a value is, in percent of the axis; at an end if it is beyond."""
        low, high, here = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, here = math.log(low), math.log(high), math.log(here)
        return 100 * (here - low) / (high - low)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return places in percent with their labels."""
        values = (log_ticks if self.logarithmic else linear_ticks)(self.low, self.high, most)
        return [(self.at(each), tick_text(each)) for each in values]


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A bar, or a point with its interval.

    Attributes:
        name: What it is.
        colour: Name of its colour.
        at: Place of the value in percent.
        low: Place of the lower end of the interval; None if unknown.
        high: Place of the upper end.
        value: The number.
        interval: Its interval; empty: unknown.
    """

    name: str
    colour: str
    at: float
    low: float | None
    high: float | None
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class RowChart:
    """Rows over one axis.

    Attributes:
        title: Title.
        unit: Label of the axis.
        bars: Whether the rows are bars.
        intervals: Whether any interval is known.
        zero: Foot of the bars, or the value to compare with, in percent; None: neither.
        groups: Name of each group, empty if it has a single row, with its rows.
        ticks: Places with labels.
    """

    title: str
    unit: str
    bars: bool
    intervals: bool
    zero: float | None
    groups: tuple[tuple[str, tuple[ChartRow, ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    kind: str = "rows"


@dataclass(frozen=True, slots=True)
class PointSeries:
    """Points that belong together.

    Attributes:
        name: Name.
        colour: Name of its colour.
        number: Its number, by which its line is dashed.
        points: Place along, place up, lower and upper end of the interval or None, in percent; in words.
        line: The points as a path; empty: not connected.
    """

    name: str
    colour: str
    number: int
    points: tuple[tuple[float, float, float | None, float | None, str], ...]
    line: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """Points and lines over two axes; places up are counted from the top.

    Attributes:
        title: Title.
        along: Label of the horizontal axis.
        unit: Label of the vertical axis.
        series: The points.
        fit: Name of the fitted curve, its line and the area of its interval as paths; None without a fit.
        ticks_along: Places with labels.
        ticks_up: Places with labels.
    """

    title: str
    along: str
    unit: str
    series: tuple[PointSeries, ...]
    fit: tuple[str, str, str] | None
    ticks_along: tuple[tuple[float, str], ...]
    ticks_up: tuple[tuple[float, str], ...]
    kind: str = "lines"


Chart = RowChart | LineChart


def chart_of(figure: Figure) -> Chart | None:
    """Return a figure as it is drawn in a page; None without a finite point."""
    shown = figure.drawable()
    if not shown.points:
        return None
    return _lines(shown) if shown.lines else _rows(shown)


def _rows(figure: Figure) -> RowChart:
    points = figure.points
    ends = [end for each in points for end in (each.value, each.low, each.high) if end is not None]
    ends += [] if figure.reference is None else [figure.reference]
    scale = _scale(ends, logarithmic=figure.logarithmic)
    colours = _colours(points)
    groups = []
    for place in dict.fromkeys(each.place for each in points):
        ours = [each for each in points if each.place == place]
        alone = len(ours) == 1
        rows = tuple(
            ChartRow(
                _name(str(place) if alone else each.series),
                colours[each.series],
                scale.at(each.value),
                None if each.low is None else scale.at(each.low),
                None if each.high is None else scale.at(each.high),
                figures(each.value),
                _interval(each),
            )
            for each in ours
        )
        groups.append(("" if alone else _name(str(place)), rows))
    foot = figure.reference if figure.logarithmic else 0.0
    return RowChart(
        title=figure.title,
        unit=_label(figure.height, logarithmic=figure.logarithmic),
        bars=not figure.logarithmic,
        intervals=any(each.low is not None for each in points),
        zero=None if foot is None else scale.at(foot),
        groups=tuple(groups),
        ticks=tuple(scale.ticks(MOST_TICKS_OF_ROWS)),
    )


def _lines(figure: Figure) -> LineChart:
    points = figure.points
    fitted = figure.curve.points if figure.curve else ()
    along = _limits([float(each.place) for each in points], logarithmic=figure.log_along)
    heights = [end for each in points for end in (each.value, each.low, each.high) if end is not None]
    heights += [value for _, value, _, _ in fitted]  # its interval may reach far: it ends at the edge
    up = _scale(heights, logarithmic=figure.logarithmic)
    series = tuple(
        _series(name, number, [each for each in points if each.series == name], along, up, figure.curve)
        for number, name in enumerate(dict.fromkeys(each.series for each in points))
    )
    ticks = [(100 - place, text) for place, text in up.ticks(MOST_TICKS_UP)]
    return LineChart(
        title=figure.title,
        along=_label(figure.along, logarithmic=figure.log_along),
        unit=_label(figure.height, logarithmic=figure.logarithmic),
        series=series,
        fit=_fit(figure.curve, along, up) if figure.curve else None,
        ticks_along=tuple(_ticks_along(figure, along)),
        ticks_up=tuple(ticks),
    )


def _series(  # noqa: PLR0913, PLR0917 - the points, and where they are drawn
    name: str, number: int, points: Sequence[Point], along: Scale, up: Scale, curve: Curve | None
) -> PointSeries:
    places = sorted(points, key=lambda each: float(each.place))
    drawn = tuple(
        (
            along.at(float(each.place)),
            100 - up.at(each.value),
            None if each.low is None else 100 - up.at(each.low),
            None if each.high is None else 100 - up.at(each.high),
            f"{tick_text(float(each.place))}: {figures(each.value)} {_interval(each)}".rstrip(),
        )
        for each in places
    )
    line = "" if curve else _path((x, y) for x, y, *_ in drawn)
    return PointSeries(_name(name), SERIES[number % len(SERIES)], number, drawn, line)


def _fit(curve: Curve, along: Scale, up: Scale) -> tuple[str, str, str]:
    line = _path((along.at(x), 100 - up.at(value)) for x, value, _, _ in curve.points)
    above = [(along.at(x), 100 - up.at(high)) for x, _, _, high in curve.points]
    below = [(along.at(x), 100 - up.at(low)) for x, _, low, _ in curve.points]
    return _name(curve.name), line, f"{_path([*above, *reversed(below)])}Z"


def _path(places: Iterable[tuple[float, float]]) -> str:
    """Return a path in percent of the width and of the height."""
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in places)


def _ticks_along(figure: Figure, along: Scale) -> list[tuple[float, str]]:
    """Return the measured sizes as ticks where they have room, otherwise round numbers."""
    values = sorted({float(each.place) for each in figure.points})
    places = [along.at(each) for each in values]
    roomy = all(after - before >= 100 / MOST_TICKS_ALONG for before, after in pairwise(places))
    if roomy:
        return [(place, tick_text(value)) for place, value in zip(places, values, strict=True)]
    return along.ticks(MOST_TICKS_ALONG)


def _scale(values: Sequence[float], *, logarithmic: bool) -> Scale:
    """Return an axis with room at its ends; a linear one begins at zero."""
    if logarithmic:
        return _limits([each for each in values if each > 0], logarithmic=True)
    low, high = min(0.0, *values), max(0.0, *values)
    return Scale(low * ROOM, high * ROOM if high > low else 1.0, logarithmic=False)


def _limits(values: Sequence[float], *, logarithmic: bool) -> Scale:
    """Return an axis around values."""
    low, high = min(values), max(values)
    if logarithmic:
        room = max((high / low) ** 0.05, 1.02)
        return Scale(low / room, high * room, logarithmic=True)
    room = (high - low) * 0.05 or 1.0
    return Scale(low - room, high + room, logarithmic=False)


def _colours(points: Iterable[Point]) -> dict[str, str]:
    names = dict.fromkeys(each.series for each in points)
    return {name: SERIES[number % len(SERIES)] for number, name in enumerate(names)}


def _interval(point: Point) -> str:
    if point.low is None or point.high is None:
        return ""
    return f"[{figures(point.low)}, {figures(point.high)}]"


def _label(text: str, *, logarithmic: bool) -> str:
    return f"{text} (log)" if logarithmic else text


def _name(text: str) -> str:
    return plain(text, LONGEST_NAME)
