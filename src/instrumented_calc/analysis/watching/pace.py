"""How fast a run is now and on average, and when it will end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.watching.series import TimePoint

NOW_NS = 30e9  # the speed "now" is that of the last half minute, or of the last points if they are older
FEWEST_POINTS = 3
STRETCHES = 10  # equal times, of which the newer half makes the range of a forecast
DAY_FS_PER_NS = 86_400 / 1e6  # ns per day of one fs per second


@dataclass(frozen=True, slots=True)
class Pace:
    """Speed of a driver, in steps per second.

    Attributes:
        now: Over the last half minute.
        mean: Since the driver's first known step.
        slowest: The slowest of five stretches in the newer half of the run.
        fastest: The fastest of them.
    """

    now: float
    mean: float
    slowest: float
    fastest: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the driver's run will end.

    Attributes:
        seconds: Time left at the present speed.
        earliest: Time left at the fastest recent speed.
        latest: Time left at the slowest recent speed.
        job_left: Time left to the job, by its batch system; None without one.
        fits: Whether the run ends before the job does; None if that is not sure, or without a limit.
        step_at_limit: Step that will be reached when the job ends, if the run does not fit.
    """

    seconds: float
    earliest: float
    latest: float
    job_left: float | None = None
    fits: bool | None = None
    step_at_limit: int | None = None


def newest_stretch(points: Sequence[TimePoint]) -> list[TimePoint]:
    """Return the newest points of one driver: its counter starts again where another takes over."""
    first = len(points) - 1
    while first > 0 and points[first - 1].value <= points[first].value:
        first -= 1
    return list(points[max(first, 0) :])


def pace_of(points: Sequence[TimePoint]) -> Pace | None:
    """Return the speed of a driver.

    Args:
        points: Steps of one driver over time in ns, in order.

    Returns:
        None if there are too few points, or it has made no step.
    """
    if len(points) < FEWEST_POINTS or points[-1].value <= points[0].value or points[-1].at <= points[0].at:
        return None
    last = points[-1]
    recent = [each for each in points if each.at >= last.at - NOW_NS]
    if len(recent) < FEWEST_POINTS:
        recent = list(points[-FEWEST_POINTS:])
    now, mean = _rate(recent[0], last), _rate(points[0], last)
    rates = [now, *_stretches(points)]
    return Pace(now, mean, min(rates), max(rates))


def _rate(first: TimePoint, last: TimePoint) -> float:
    return (last.value - first.value) / (last.at - first.at) * 1e9 if last.at > first.at else 0.0


def _stretches(points: Sequence[TimePoint]) -> list[float]:
    """Return the speeds of the stretches in the newer half of the time."""
    first, last = points[0].at, points[-1].at
    length = (last - first) / STRETCHES
    borders = [last - length * number for number in range(STRETCHES // 2, -1, -1)]
    steps = [_step_at(points, border) for border in borders]
    return [(steps[n + 1] - steps[n]) / length * 1e9 for n in range(len(steps) - 1)]


def _step_at(points: Sequence[TimePoint], at: float) -> float:
    later = next((number for number, each in enumerate(points) if each.at >= at), len(points) - 1)
    before, after = points[max(later - 1, 0)], points[later]
    if after.at <= before.at:
        return after.value
    return before.value + (after.value - before.value) * (at - before.at) / (after.at - before.at)


def forecast(pace: Pace, step: int, until_step: int, job_left: float | None) -> Forecast | None:
    """Return when a driver's run will end; None if it has ended or stands still.

    Args:
        pace: Its speed.
        step: Its step.
        until_step: The step at which it ends.
        job_left: Seconds left to the job, by its batch system; None without one.
    """
    left = until_step - step
    if left <= 0 or pace.now <= 0:
        return None
    seconds, earliest = left / pace.now, left / pace.fastest
    latest = left / pace.slowest if pace.slowest > 0 else float("inf")
    if job_left is None:
        return Forecast(seconds, earliest, latest)
    fits = True if latest <= job_left else False if earliest > job_left else None
    reached = None if fits else min(step + int(pace.now * max(job_left, 0.0)), until_step)
    return Forecast(seconds, earliest, latest, job_left, fits, reached)


def ns_per_day(steps_per_s: float, timestep_fs: float) -> float:
    """Return the simulated time per day, ns."""
    return steps_per_s * timestep_fs * DAY_FS_PER_NS
