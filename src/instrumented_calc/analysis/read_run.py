"""A run that was read back: its figures, findings and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.targets import Outcome


@dataclass(frozen=True, slots=True)
class ReadRun:
    """One journal, ready to be reported.

    Attributes:
        summary: Its figures.
        findings: Findings in display order; empty if no rules were run.
        outcomes: The user's targets, checked; empty without targets.
    """

    summary: Summary
    findings: Sequence[RuleFinding] = ()
    outcomes: Sequence[Outcome] = ()
