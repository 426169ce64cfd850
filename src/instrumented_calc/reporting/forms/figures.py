"""Figures of experiments as PNG and SVG, drawn by matplotlib, which ASE requires.

Figures are generic: groups along the axis, series of different colours, bars, points or lines with intervals.
So tables of earlier studies are drawn by the same functions as new ones.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError
from instrumented_calc.reporting.ticks import log_ticks, tick_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.reporting.figure import Figure, Point

FORMATS = ("png", "svg")
WIDTH, HEIGHT, DPI = 7.0, 4.2, 150
BARS = 0.8  # fraction of a group's width
# Okabe and Ito's palette, which is safe for colour-blind readers.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = "osD^vPX"
MOST_TICKS = 8


def render_figure(figure: Figure) -> dict[str, bytes]:
    """Return a figure's files by name.

    Args:
        figure: Contents of the figure.

    Raises:
        ExperimentError: matplotlib is not installed.
    """
    shown = figure.drawable()
    canvas, drawing = _canvas()
    axes = drawing.add_subplot()
    (_draw_lines if shown.lines else _draw_groups)(axes, shown)
    axes.set(xlabel=shown.along, ylabel=shown.height, title=shown.title)
    if shown.logarithmic:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis, *axes.get_ylim())
    else:
        axes.set_ylim(bottom=0)
    if shown.log_along:
        axes.set_xscale("log")
        _plain_ticks(axes.xaxis, *axes.get_xlim())
    if shown.reference is not None:
        axes.axhline(shown.reference, color="#555555", linewidth=0.8, zorder=0)
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


def _plain_ticks(axis: Any, low: float, high: float) -> None:
    ticks = log_ticks(low, high, MOST_TICKS)
    axis.set_ticks(ticks, [tick_text(each) for each in ticks])
    axis.set_ticks([], minor=True)


def _draw_groups(axes: Any, figure: Figure) -> None:
    """Draw bars; on a logarithmic axis, where the length of a bar means nothing, points."""
    points = figure.points
    groups = [*dict.fromkeys(each.place for each in points)]
    series = [*dict.fromkeys(each.series for each in points)]
    width = BARS / max(len(series), 1)
    for index, name in enumerate(series):
        ours = [each for each in points if each.series == name]
        places = [groups.index(each.place) + (index + 0.5) * width - BARS / 2 for each in ours]
        look = {"color": COLOURS[index % len(COLOURS)], "label": _plain(name)}
        values, reaches = [each.value for each in ours], _reaches(ours)
        if figure.logarithmic:
            marker = MARKERS[index % len(MARKERS)]
            axes.errorbar(places, values, yerr=reaches, fmt=marker, capsize=3, **look)
        else:
            axes.bar(places, values, width=width, yerr=reaches, capsize=3, **look)
    axes.set_xticks(range(len(groups)), [_plain(str(each)) for each in groups], rotation=20, ha="right")


def _draw_lines(axes: Any, figure: Figure) -> None:
    points = figure.points
    for index, name in enumerate(dict.fromkeys(each.series for each in points)):
        ours = sorted((each for each in points if each.series == name), key=lambda each: float(each.place))
        axes.errorbar(
            [float(each.place) for each in ours],
            [each.value for each in ours],
            yerr=_reaches(ours),
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            linestyle="none" if figure.curve else "solid",
            label=_plain(name),
            capsize=3,
        )
    if figure.curve is not None:
        along, values, low, high = zip(*figure.curve.points, strict=True)
        axes.plot(along, values, color="#555555", linewidth=1, label=_plain(figure.curve.name))
        axes.fill_between(along, low, high, color="#555555", alpha=0.2, linewidth=0)
    if not figure.log_along:
        axes.xaxis.get_major_locator().set_params(integer=True)


def _reaches(points: Sequence[Point]) -> list[list[float]]:
    """Return how far the intervals extend down and up; zero where unknown."""
    down = [0.0 if each.low is None else max(each.value - max(each.low, 0.0), 0.0) for each in points]
    up = [0.0 if each.high is None else max(each.high - each.value, 0.0) for each in points]
    return [down, up]


def _plain(text: str) -> str:
    """Return a name that matplotlib reads neither as a formula nor as hidden."""
    return text.replace("$", r"\$").lstrip("_") or "-"
