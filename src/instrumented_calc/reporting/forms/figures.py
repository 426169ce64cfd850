"""Figures of experiments as PNG and SVG, drawn by matplotlib, which ASE requires.

Figures are generic: groups along the axis, series of different colours, bars or lines with intervals. So
tables of earlier studies are drawn by the same functions as new ones.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("png", "svg")
WIDTH, HEIGHT, DPI = 7.0, 4.2, 150
BARS = 0.8  # fraction of a group's width
# Okabe and Ito's palette, which is safe for colour-blind readers.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = "osD^vPX"


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
class Figure:
    """Contents of a figure.

    Attributes:
        name: File name without suffix.
        title: Title.
        along: Label of the horizontal axis.
        height: Label of the vertical axis, with unit.
        points: Bars, or points of lines.
        lines: Whether the points are connected by lines.
        logarithmic: Whether the vertical axis is logarithmic.
    """

    name: str
    title: str
    along: str
    height: str
    points: tuple[Point, ...]
    lines: bool = False
    logarithmic: bool = False


def render_figure(figure: Figure) -> dict[str, bytes]:
    """Return a figure's files by name.

    Args:
        figure: Contents of the figure.

    Raises:
        ExperimentError: matplotlib is not installed.
    """
    canvas, drawing = _canvas()
    axes = drawing.add_subplot()
    (_draw_lines if figure.lines else _draw_bars)(axes, figure.points)
    axes.set(xlabel=figure.along, ylabel=figure.height, title=figure.title)
    if figure.logarithmic and all(each.value > 0 for each in figure.points):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    drawing.legend(frameon=False, fontsize="small", loc="outside right upper")  # never over a bar
    files = {}
    for form in FORMATS:
        file = io.BytesIO()
        # Without a date, the same figure gives the same file.
        canvas.print_figure(file, format=form, dpi=DPI, metadata={"Date": None} if form == "svg" else None)
        files[f"{figure.name}.{form}"] = file.getvalue()
    return files


def _canvas() -> tuple[Any, Any]:
    """Return a canvas and its axes without pyplot: no window, and nothing stays open."""
    try:
        drawings = import_module("matplotlib.figure")
        backend = import_module("matplotlib.backends.backend_agg")
    except ImportError as error:
        message = f"figures need matplotlib ({error}): pip install 'matplotlib>=3.7'"
        raise ExperimentError(message) from error
    import_module("matplotlib").rcParams["svg.hashsalt"] = "instrumented-calc"
    drawing = drawings.Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    return backend.FigureCanvasAgg(drawing), drawing


def _draw_bars(axes: Any, points: Sequence[Point]) -> None:
    groups = [*dict.fromkeys(each.place for each in points)]
    series = [*dict.fromkeys(each.series for each in points)]
    width = BARS / max(len(series), 1)
    for index, name in enumerate(series):
        ours = [each for each in points if each.series == name]
        places = [groups.index(each.place) + (index + 0.5) * width - BARS / 2 for each in ours]
        axes.bar(
            places,
            [each.value for each in ours],
            width=width,
            color=COLOURS[index % len(COLOURS)],
            label=_plain(name),
            yerr=_reaches(ours),
            capsize=3,
        )
    axes.set_xticks(range(len(groups)), [_plain(str(each)) for each in groups], rotation=20, ha="right")


def _draw_lines(axes: Any, points: Sequence[Point]) -> None:
    for index, name in enumerate(dict.fromkeys(each.series for each in points)):
        ours = sorted((each for each in points if each.series == name), key=lambda each: float(each.place))
        axes.errorbar(
            [float(each.place) for each in ours],
            [each.value for each in ours],
            yerr=_reaches(ours),
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            label=_plain(name),
            capsize=3,
        )
    axes.xaxis.get_major_locator().set_params(integer=True)


def _reaches(points: Sequence[Point]) -> list[list[float]]:
    """Return how far the intervals extend down and up; zero where unknown."""
    down = [0.0 if each.low is None else max(each.value - max(each.low, 0.0), 0.0) for each in points]
    up = [0.0 if each.high is None else max(each.high - each.value, 0.0) for each in points]
    return [down, up]


def _plain(text: str) -> str:
    """Return a name that matplotlib reads neither as a formula nor as hidden."""
    return text.replace("$", r"\$").lstrip("_") or "-"
