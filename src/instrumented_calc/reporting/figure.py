"""What a figure shows, apart from how it is drawn: as a PNG and SVG file, or in a page."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Point:
    """One bar, or one point of a line.

    Attributes:
        series: Series, shown by the colour.
        place: Group of the bar, or position along the axis.
        value: Height.
        low: Lower end of the interval, or None if unknown.
        high: Upper end of the interval.
    """

    series: str
    place: str | float
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve with its interval, through points on both logarithmic axes.

    Attributes:
        name: What was fitted.
        points: Position, value, lower and upper end of the interval, ascending.
    """

    name: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """Contents of a figure.

    Attributes:
        name: File name without suffix.
        title: Title.
        along: Label of the horizontal axis.
        height: Label of the vertical axis, with unit.
        points: Bars, or points of lines. On a logarithmic axis bars have no foot: points are drawn instead.
        lines: Whether the points are connected by lines.
        logarithmic: Whether the vertical axis is logarithmic.
        log_along: Whether the horizontal axis is; only of lines.
        curve: A fit through the points, instead of lines from point to point.
        reference: A height to compare with, such as 1 of ratios.
    """

    name: str
    title: str
    along: str
    height: str
    points: tuple[Point, ...]
    lines: bool = False
    logarithmic: bool = False
    log_along: bool = False
    curve: Curve | None = None
    reference: float | None = None

    def drawable(self) -> Figure:
        """Return the figure with finite points only, on a linear axis if one of them is not positive."""
        kept = tuple(each for each in self.points if math.isfinite(each.value))
        positive = all(each.value > 0 for each in kept)
        return replace(self, points=kept, logarithmic=self.logarithmic and positive)
