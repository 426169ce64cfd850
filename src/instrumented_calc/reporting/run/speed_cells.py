"""A speed in words, and in cells of tables if it may not be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, duration, elapsed, figures, plural

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Speed


def steps_cell(speed: Speed | None) -> str:
    """Return the number of steps, `-` if it is unknown."""
    return "-" if speed is None else count(speed.steps)


def ns_per_day_cell(speed: Speed | None) -> str:
    """Return the simulated time per day, `-` if it is unknown."""
    return "-" if speed is None or speed.ns_per_day is None else figures(speed.ns_per_day)


def rate_words(speed: Speed) -> list[str]:
    """Return the simulated time per day, if it is known, and the time per step."""
    simulated = [] if speed.ns_per_day is None else [f"{figures(speed.ns_per_day)} ns/day"]
    return [*simulated, f"{duration(speed.wall_ns / speed.steps)}/step"]


def amount_words(speed: Speed) -> str:
    """Return how many steps took how long."""
    return f"{plural(speed.steps, 'step')} in {elapsed(speed.wall_ns)}"
