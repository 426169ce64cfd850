"""Functions of the profiled steps: how often each is called per step, and the time in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.journal.vocabulary import (
    INTERRUPTED,
    OVER_BUDGET,
    PROFILER_ACTIVE,
    PYTHON_TOO_OLD,
    STEP_TOO_LONG,
)

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import StepProfiles

# The first that applies is reported.
REASONS = PYTHON_TOO_OLD, PROFILER_ACTIVE, INTERRUPTED, STEP_TOO_LONG, OVER_BUDGET


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """A function in one part of a step.

    Attributes:
        part: `calculator`, `other` (between calls) or `recorder`.
        function: Its name; empty for those beyond the limit, summed.
        package: Its library; empty for the user's own code.
        file: File of the user's code.
        line: First line of the function there; 0 for libraries.
        calls: Calls per step.
        ns: Time per step in it without what it calls, ns.
        share: Part of the times of all functions.
    """

    part: str
    function: str
    package: str
    file: str
    line: int
    calls: float
    ns: float
    share: float


@dataclass(frozen=True, slots=True)
class StepFunctions:
    """The profiled steps of a run.

    Attributes:
        steps: Their number.
        usual_ns: Mean duration of the steps just before them, without the profiler, ns; None without steps.
        excess: By how much the functions' times are too long in all, as a part of that; None without steps.
        functions: The functions, those with the most time first.
        reason: Why no step was profiled; empty if one was.
    """

    steps: int
    usual_ns: float | None
    excess: float | None
    functions: tuple[FunctionUse, ...]
    reason: str = ""


def measure_step_functions(journal: Journal) -> StepFunctions | None:
    """Return the functions of a run's profiled steps, or None if the journal has none."""
    found = max(journal.step_profiles, key=lambda each: (each.steps, each.time_ns), default=None)
    if found is None:
        return None
    total = sum(each.ns for each in found.functions)
    if not (found.steps and found.usual_ns and total):
        reason = next((each for each in REASONS if found.skipped.get(each)), "")
        return StepFunctions(0, None, None, (), reason)
    excess = max(total / found.usual_ns - 1, 0.0)
    return StepFunctions(found.steps, found.usual_ns / found.steps, excess, _uses(found, total))


def _uses(record: StepProfiles, total: int) -> tuple[FunctionUse, ...]:
    uses = [
        FunctionUse(
            each.part,
            each.function,
            each.package,
            each.file,
            each.line,
            each.calls / record.steps,
            each.ns / record.steps,
            each.ns / total,
        )
        for each in record.functions
    ]
    return tuple(sorted(uses, key=lambda each: -each.ns))
