"""The result of a check, in one form for rules, experiment checks and comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from instrumented_calc.analysis.statistics.growth import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Observation", "Severity", "Verdict"]

# `wrong`: wrong results, or a run that will die. `cost`: time that could be saved. `info`: good to know.
Severity = Literal["wrong", "cost", "info"]


@dataclass(frozen=True, slots=True)
class Observation:
    """Result of a check.

    Attributes:
        verdict: The verdict.
        text: One line with the main figures, or the missing evidence.
        numbers: All figures, by name with unit.
        n: Number of calls or samples behind them.
        saving_ns: Wall time that the whole run could save at most, or None if unknown.
        remedy: What to do; for a rule of the catalogue, only if different from the rule's remedy.
        severity: Severity; for a rule of the catalogue, only if different from the rule's.
        rule: Name of the check, kebab-case; empty for a rule of the catalogue, which holds its name.
    """

    verdict: Verdict
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict, hash=False)
    n: int | None = None
    saving_ns: float | None = None
    remedy: str | None = None
    severity: Severity | None = None
    rule: str = ""

    @property
    def flagged(self) -> bool:
        """Whether the check failed."""
        return self.verdict == "flagged"
