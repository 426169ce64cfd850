"""A straight line through points, which single outliers do not move.

Tukey's resistant line (Exploratory Data Analysis, 1977, chapter 5): its slope connects the medians of the
first and the last third of the points. The medians show whether the line is straight, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.watching.series import TimePoint

FEWEST_POINTS = 9
STRAIGHT = 3.0  # ratio of the slopes of both halves: a saturating or an exploding curve bends more
MAD = 1.4826  # ratio of a normal distribution's standard deviation to its median absolute deviation


@dataclass(frozen=True, slots=True)
class ResistantLine:
    """A line.

    Attributes:
        slope: Change per unit of `at`.
        change: Change from the first point to the last.
        scatter: Scatter of the points around it, as a standard deviation.
        straight: Whether both halves have slopes of one sign and of similar size.
    """

    slope: float
    change: float
    scatter: float
    straight: bool


def resistant_line(points: Sequence[TimePoint]) -> ResistantLine | None:
    """Return the line through points in order; None if there are fewer than 9, or all at one place."""
    if len(points) < FEWEST_POINTS:
        return None
    third = len(points) // 3
    thirds = (points[:third], points[third:-third], points[-third:])
    places = [median(each.at for each in part) for part in thirds]
    values = [median(each.value for each in part) for part in thirds]
    if not places[0] < places[1] < places[2]:
        return None
    slope = (values[2] - values[0]) / (places[2] - places[0])
    halves = [(values[n + 1] - values[n]) / (places[n + 1] - places[n]) for n in (0, 1)]
    straight = halves[0] * halves[1] > 0 and 1 / STRAIGHT <= halves[1] / halves[0] <= STRAIGHT
    rests = [each.value - slope * each.at for each in points]
    middle = median(rests)
    scatter = MAD * median(abs(each - middle) for each in rests)
    return ResistantLine(slope, slope * (points[-1].at - points[0].at), scatter, straight)
