"""From a comparison and the user's limits to one outcome: within, surely slower, not sure, not comparable.

The run is the unit of every decision. Replicates of unchanged code differ by up to 15 % between processes
(memory layout, clock frequency, other programs) while the calls of one run scatter by 3 %, so an interval
from the calls of two single runs finds a "significant" change in about half of all unchanged pairs.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.speed_limits import BROKEN, NOT_SURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.comparison import Comparison
    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit


class ComparisonOutcome(Enum):
    """ComparisonOutcome of a comparison; the value is the exit code of `compare` and `gate`."""

    within = 0
    slower = 1
    not_sure = 3
    not_comparable = 4


class Unsure(str, Enum):
    """What an outcome of `not sure` means for the exit code."""

    tell = "tell"
    fail = "fail"
    ignore = "ignore"


def outcome_of(comparison: Comparison, limits: Sequence[SpeedLimit]) -> ComparisonOutcome:
    """Return the outcome: without limits nothing can be missed, but single runs are still `not sure`."""
    if not comparison.comparable:
        return ComparisonOutcome.not_comparable
    states = {each.check(comparison.deciding) for each in limits}
    if BROKEN in states:
        return ComparisonOutcome.slower
    if NOT_SURE in states or comparison.deciding is None:
        return ComparisonOutcome.not_sure
    return ComparisonOutcome.within


def exit_code(outcome: ComparisonOutcome, unsure: Unsure) -> int:
    """Return the exit code: 0, 1, 3 or 4."""
    if outcome is ComparisonOutcome.not_sure and unsure is not Unsure.tell:
        outcome = ComparisonOutcome.slower if unsure is Unsure.fail else ComparisonOutcome.within
    code: int = outcome.value
    return code


def one_side_first(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> bool:
    """Return whether all runs of one side started before all runs of the other side.

    A change of the machine in between (heat, other programs, an update) then looks like a change of the code.
    """
    if max(len(before), len(after)) < 2 or not all(run.started for run in (*before, *after)):  # noqa: PLR2004 - replicates
        return False
    sides = [sorted(run.started for run in side) for side in (before, after)]
    return sides[0][-1] < sides[1][0] or sides[1][-1] < sides[0][0]
