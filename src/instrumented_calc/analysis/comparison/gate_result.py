"""The result of a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.decision import ComparisonOutcome
from instrumented_calc.analysis.comparison.speed_limits import BROKEN, MET

if TYPE_CHECKING:
    from instrumented_calc.analysis.comparison.comparison import Comparison
    from instrumented_calc.analysis.comparison.sequential import Judgement
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of a gate.

    Attributes:
        comparison: Comparison of all runs.
        judgement: What the pairs say about the limit.
        limit: The limit.
        seconds: Time that the gate took, s.
        out_of_time: Whether the time was up before a further pair could be run.
    """

    comparison: Comparison
    judgement: Judgement
    limit: SpeedLimit
    seconds: float
    out_of_time: bool

    @property
    def outcome(self) -> ComparisonOutcome:
        """The outcome of the gate."""
        if not self.comparison.comparable:
            return ComparisonOutcome.not_comparable
        return {BROKEN: ComparisonOutcome.slower, MET: ComparisonOutcome.within}.get(
            self.judgement.state, ComparisonOutcome.not_sure
        )
