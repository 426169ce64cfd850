"""The table of functions in profiled steps, a part of the section on where in the code the time is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.journal.vocabulary import (
    CALCULATOR,
    INTERRUPTED,
    OVER_BUDGET,
    PROFILER_ACTIVE,
    PYTHON_TOO_OLD,
    RECORDER,
    STEP_TOO_LONG,
)
from instrumented_calc.quantities import plural
from instrumented_calc.reporting.document import Paragraph, Table
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.source_location import location

if TYPE_CHECKING:
    from instrumented_calc.analysis.step_functions import FunctionUse, StepFunctions
    from instrumented_calc.journal.reader import Journal

LEAST_SHARE = 0.01
FUNCTIONS_SHOWN = 15
LARGE_EXCESS = 0.05
MANY_CALLS = 100  # per step, from which on no fraction is shown
MS_NS = 1e6
PARTS = {CALCULATOR: "calculator", RECORDER: "profiler"}
WHY_NONE = {
    OVER_BUDGET: "the run was too short for its overhead budget",
    PROFILER_ACTIVE: "another profiler, tracer or debugger was active",
    INTERRUPTED: "an exception or the program itself ended the profile",
    STEP_TOO_LONG: "a step calls so many functions that a profile exceeds the overhead budget",
    PYTHON_TOO_OLD: "that needs Python 3.12 or later",
}


def function_blocks(found: StepFunctions | None, journal: Journal) -> tuple[Table | Paragraph, ...]:
    """Return the table of functions and what it is based on; nothing without profiled steps."""
    if found is None or not found.steps or found.excess is None:
        return ()
    shown = [each for each in found.functions if each.function and each.share >= LEAST_SHARE]
    rows = tuple(_row(each, journal) for each in shown[:FUNCTIONS_SHOWN])
    remarks = [
        f"From {plural(found.steps, 'profiled step')}: from the end of a calculation to the end of the next.",
        "Calls are exact; the time is that in the function itself, without what it calls.",
    ]
    if found.excess >= LARGE_EXCESS:
        remarks.append(
            f"The times are too long by {100 * found.excess:.0f} % in all because of the profiler, most of it"
            " in functions that are called often."
        )
    headings = ("function", "at", "in", "calls per step", "ms per step", "% of step")
    return Table(headings, rows), Paragraph(tuple(remarks))


def why_none(found: StepFunctions | None) -> tuple[str, ...]:
    """Return why there is no table of functions, as a sentence, if that is known."""
    reason = "" if found is None else WHY_NONE.get(found.reason, "")
    return (f"No step was profiled: {reason}.",) if reason else ()


def _row(use: FunctionUse, journal: Journal) -> tuple[str, ...]:
    name = f"{use.function} ({use.package})" if use.package else use.function
    calls = f"{use.calls:.0f}" if use.calls >= MANY_CALLS or use.calls.is_integer() else f"{use.calls:.1f}"
    return (
        identity.one_line(name),
        location(use.file, use.line, journal),
        PARTS.get(use.part, "between calls"),
        calls,
        f"{use.ns / MS_NS:.3g}",
        f"{100 * use.share:.1f}",
    )
