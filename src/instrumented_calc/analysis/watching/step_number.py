"""The step that a call belongs to, from the steps that its driver had completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Phase


def step_number(phase: Phase | None, index: int, completed: int) -> int:
    """Return the step of a call, counted from 1; 0 is the start.

    A call of molecular dynamics belongs to the step after the completed ones, except for the first forces and
    for what is calculated after the last step.

    Args:
        phase: Its driver, if it is known.
        index: Number of the call.
        completed: Steps completed when it started.
    """
    if phase is None or phase.kind != "md" or index <= phase.index or completed == phase.until_step:
        return completed
    return completed + 1
