"""The panels of the page: plots over the course of a run, each with the tables of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.reporting.html import course_tables as tables

if TYPE_CHECKING:
    from instrumented_calc.analysis.course.course import Course
    from instrumented_calc.analysis.course.series import BinnedSeries
    from instrumented_calc.reporting.document import Table

FEWEST_FOR_PLOT = 2
# Fields of the state that share a plot: they have the same unit, and are compared with each other.
STATE_PLOTS = (
    ("temperature", "Temperature", ("temperature_k", "target_k")),
    ("energy", "Energies, change since the first reading", ("potential_ev", "kinetic_ev", "conserved_ev")),
    ("volume", "Volume", ("volume_a3",)),
    ("pressure", "Pressure", ("pressure_gpa",)),
    ("force", "Largest force on an atom", ("largest_force_ev_a",)),
    ("distance", "Shortest distance of two atoms", ("shortest_distance_a",)),
)


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot.

    Attributes:
        kind: What the script draws: `latency`, `parts`, `distribution`, `memory` or `state`.
        title: Heading of the plot, if the panel has several.
        fields: The quantities, for `state`.
    """

    kind: str
    title: str
    fields: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel.

    Attributes:
        slug: End of its id.
        title: Heading.
        note: What it shows, in a sentence.
        plots: Its plots.
        tables: The numbers, each table with a title.
    """

    slug: str
    title: str
    note: str
    plots: tuple[Plot, ...]
    tables: tuple[tuple[str, Table], ...]


def panels_of(course: Course | None) -> list[Panel]:
    """Return the panels that have something to show.

    Args:
        course: The run over its course; None without calls.
    """
    if course is None:
        return []
    made = [_latency(course), _distribution(course), _parts(course), _state(course), _memory(course)]
    return [each for each in made if each is not None]


def _latency(course: Course) -> Panel | None:
    if not course.bins:
        return None
    shown: list[tuple[str, Table]] = [(f"Latency over {course.axis}s", tables.latency_table(course))]
    if course.slow:
        shown.append(("Slow calls", tables.calls_table(course.slow, "slow call")))
    if course.failed:
        shown.append(("Failed calls", tables.calls_table(course.failed, "failed call")))
    if course.spans or course.pins:
        shown.append(("What happened when", tables.spans_table(course.spans, course.pins, course.axis)))
    note = (
        "Fastest, median and slowest calculation of each stretch; slow and failed ones are marked one by one."
    )
    return Panel("latency", f"Latency over {course.axis}s", note, (Plot("latency", ""),), tuple(shown))


def _distribution(course: Course) -> Panel | None:
    if course.distribution is None:
        return None
    table = tables.distribution_table(course.distribution)
    note = "How many steady calculations took how long."
    plots = (Plot("distribution", ""),)
    return Panel(
        "distribution", "Distribution of latency", note, plots, (("Distribution of latency", table),)
    )


def _parts(course: Course) -> Panel | None:
    if len(course.bins) < FEWEST_FOR_PLOT:
        return None
    note = "Mean time of each part in a calculation, and the time between calculations on top."
    table = tables.parts_table(course)
    title = f"Parts over {course.axis}s"
    return Panel("parts", title, note, (Plot("parts", ""),), ((title, table),))


def _state(course: Course) -> Panel | None:
    if not course.state:
        return None
    known = {each.field for each in course.state}
    plots = [
        Plot("state", title, " ".join(field for field in fields if field in known))
        for _, title, fields in STATE_PLOTS
        if known.intersection(fields) and _varies(course.state, fields)
    ]
    table = tables.series_table(course.state, course.axis)
    note = "Read at the first calculations, then about once a second."
    return Panel(
        "state", "State of the simulation", note, tuple(plots), (("State of the simulation", table),)
    )


def _memory(course: Course) -> Panel | None:
    if not course.memory:
        return None
    table = tables.series_table(course.memory, course.axis)
    note = "Sampled at most every 10 ms; the dashed line is the limit."
    if course.memory_limit_bytes is None:
        note = "Sampled at most every 10 ms; the limit is not known."
    return Panel("memory", "Memory", note, (Plot("memory", ""),), (("Memory", table),))


def _varies(series: tuple[BinnedSeries, ...], fields: tuple[str, ...]) -> bool:
    """Return whether a plot of some fields shows more than one value would."""
    ours = [each for each in series if each.field in fields]
    return any(len(each.at) >= FEWEST_FOR_PLOT and min(each.low) < max(each.high) for each in ours)
