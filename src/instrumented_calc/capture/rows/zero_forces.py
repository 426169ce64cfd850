"""Count the calls whose forces are all exactly 0, and note when they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.capture.calls.lane import Lane

FEWEST_IN_A_ROW = 8  # then the state is read again, and whenever they have doubled


def note_zero_forces(lane: Lane) -> bool:
    """Count a call whose forces are all 0.

    Returns:
        Whether to read the state: such a series of calls begins, or has doubled. Of many series only the
        first, second, fourth, eighth ... are read at their beginning.
    """
    lane.zero_forces += 1
    if lane.calls == lane.zero_at:
        lane.zero_streak += 1
        number, fewest = lane.zero_streak, FEWEST_IN_A_ROW
    else:
        lane.zero_streak = 1
        lane.zero_series += 1
        number, fewest = lane.zero_series, 1
    lane.zero_at = lane.calls + 1
    return number >= fewest and not number & (number - 1)
