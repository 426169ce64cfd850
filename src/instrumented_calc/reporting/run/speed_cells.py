"""Cells of tables for a speed that may not be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Speed


def steps_cell(speed: Speed | None) -> str:
    """Return the number of steps, `-` if it is unknown."""
    return "-" if speed is None else count(speed.steps)


def ns_per_day_cell(speed: Speed | None) -> str:
    """Return the simulated time per day, `-` if it is unknown."""
    return "-" if speed is None or speed.ns_per_day is None else figures(speed.ns_per_day)
