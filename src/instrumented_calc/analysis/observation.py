"""The result of a check, in one form for rules, experiment checks and comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from instrumented_calc.analysis.statistics.growth import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Need", "NeedKind", "Observation", "SavingKind", "Severity", "Trial", "Verdict"]

# `wrong`: wrong results, or a run that will die. `cost`: time that could be saved. `info`: good to know.
Severity = Literal["wrong", "cost", "info"]

# `about`: an estimate of what the remedy saves. `at most`: all time of what the remedy concerns, of which it
# may save any part.
SavingKind = Literal["about", "at most"]

# Changes to a run that can be tried without its author: environment, library settings, other settings of the
# calculator or driver. Stable names, part of the JSON report.
Trial = Literal[
    "all-properties-at-once",
    "batched-contractions",
    "contraction-order",
    "cool-device",
    "detached-results",
    "dynamic-shapes",
    "expandable-segments",
    "fewer-threads",
    "frozen-garbage",
    "full-matmul-precision",
    "idle-machine",
    "larger-capacity",
    "matrix-products",
    "more-threads",
    "on-device",
    "one-calculator",
    "one-dtype",
    "other-barostat",
    "other-neighbour-list",
    "other-optimizer",
    "single-precision",
    "smaller-overhead-budget",
    "warm-start",
    "without-observers",
    "wrapped-atoms",
]

# `calls`: a longer run. `record`: an option or a call of the recorder. `integration`: a package that knows
# the model. `install`: an optional dependency. `command`: another command than `report`.
NeedKind = Literal["calls", "record", "integration", "install", "command"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a run must provide for a check to decide.

    Attributes:
        kind: Kind of the need.
        what: The unit of `calls`; otherwise the option, integration, package or command.
        least: Smallest number of `calls`.
    """

    kind: NeedKind
    what: str
    least: int | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Result of a check.

    Attributes:
        verdict: The verdict.
        text: One line with the main figures, or the missing evidence.
        numbers: All figures, by name with unit.
        n: Number of calls or samples behind them.
        saving_ns: Wall time that the whole run could save, or None if unknown.
        remedy: What to do; for a rule of the catalogue, only if different from the rule's remedy.
        severity: Severity; for a rule of the catalogue, only if different from the rule's.
        rule: Name of the check, kebab-case; empty for a rule of the catalogue, which holds its name.
        coverage: What a clear verdict is based on: "all 10,001 calls".
        needs: What would decide a check without enough evidence.
        trial: Change that tries the remedy; only if different from the rule's.
        saving_kind: Whether the saving is an estimate or an upper limit; only if different from the rule's.
        code: Code for the user to write, a few lines, checked; empty: none.
        outside_ns: Wall time between calls that the run could save beside `saving_ns`, which is in calls.
    """

    verdict: Verdict
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict, hash=False)
    n: int | None = None
    saving_ns: float | None = None
    remedy: str | None = None
    severity: Severity | None = None
    rule: str = ""
    coverage: str = ""
    needs: tuple[Need, ...] = ()
    trial: Trial | None = None
    saving_kind: SavingKind | None = None
    code: tuple[str, ...] = ()
    outside_ns: float = 0.0

    @property
    def flagged(self) -> bool:
        """Whether the check failed."""
        return self.verdict == "flagged"
