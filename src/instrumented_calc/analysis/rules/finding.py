"""Types of rules and findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from instrumented_calc.analysis.observation import (
    Need,
    Observation,
    SavingKind,
    Severity,
    Trial,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from instrumented_calc.analysis.rules.evidence import Evidence

__all__ = [
    "Need",
    "Observation",
    "Region",
    "Rule",
    "RuleFinding",
    "SavingKind",
    "Severity",
    "Trial",
    "Verdict",
    "clear",
    "flagged",
    "unknown",
]

# Where the time of a saving is. `calls`: whole calls, with all their parts. `calculator`: a part of the
# calls. `outside`: between calls. `anywhere`: in calls and between them.
Region = Literal["calls", "calculator", "outside", "anywhere"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: Stable name, kebab-case.
        severity: Severity of its findings.
        remedy: How to fix the problem.
        confirm: How to confirm it.
        look: Judges the evidence.
        trial: Change that tries the remedy, if it can be tried without the author of the run.
        saving_kind: Whether its savings are estimates or upper limits.
        region: Where the time of its savings is.
    """

    name: str
    severity: Severity
    remedy: str
    confirm: str
    look: Callable[[Evidence], Observation]
    trial: Trial | None = None
    saving_kind: SavingKind = "at most"
    region: Region = "calculator"


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """Result of a rule for one run, as reported.

    Attributes:
        rule: The rule's name.
        verdict: `flagged`, `clear` or `not enough evidence`.
        severity: `wrong`, `cost` or `info`.
        headline: The observation, or the missing evidence.
        numbers: The figures, by name with unit.
        n: Number of calls or samples behind them.
        saving_ms: Saving per step, or per call if there are no steps, in ms.
        saving_per: Which of the two.
        saving_share: The same as a share of the wall time. An upper limit is that of this finding alone; of
            an estimate, time that other findings would save too is counted by the first of them only.
        counted_share: The share with all time counted once: these shares add up to at most 1.
        saving_kind: Whether the saving is an estimate (`about`) or an upper limit (`at most`).
        ceiling: The run's speedup by this saving: Amdahl's law.
        remedy: What to do.
        confirm: How to confirm it.
        silence: How to suppress it.
        trial: Change that tries the remedy, or None.
        follows_from: The flagged rule that explains this finding; its saving is then that rule's.
        coverage: What a clear verdict is based on.
        needs: What would decide a rule without enough evidence.
        code: Code for the user to write, a few lines, checked; empty: none.
    """

    rule: str
    verdict: Verdict
    severity: Severity
    headline: str
    numbers: Mapping[str, Any]
    n: int | None
    saving_ms: float | None
    saving_share: float | None
    saving_kind: SavingKind | None
    ceiling: float | None
    remedy: str
    confirm: str
    silence: str
    trial: Trial | None = None
    follows_from: str | None = None
    coverage: str = ""
    needs: tuple[Need, ...] = ()
    code: tuple[str, ...] = ()
    saving_per: Literal["step", "call"] = "step"
    counted_share: float | None = None


def flagged(  # noqa: PLR0913 - keyword-only, one per field
    headline: str,
    *,
    numbers: Mapping[str, Any],
    n: int | None = None,
    saving_ns: float | None = None,
    remedy: str | None = None,
    severity: Severity | None = None,
    trial: Trial | None = None,
    saving_kind: SavingKind | None = None,
    code: tuple[str, ...] = (),
    outside_ns: float = 0.0,
) -> Observation:
    """Build a `flagged` observation."""
    return Observation(
        "flagged",
        headline,
        numbers,
        n,
        saving_ns,
        remedy,
        severity,
        trial=trial,
        saving_kind=saving_kind,
        code=code,
        outside_ns=outside_ns,
    )


def clear(
    headline: str, coverage: str, numbers: Mapping[str, Any] | None = None, n: int | None = None
) -> Observation:
    """Build a `clear` observation.

    Args:
        headline: The evidence in one line.
        coverage: What was inspected: "all 10,001 calls".
        numbers: The figures.
        n: Number of calls or samples behind them.
    """
    return Observation("clear", headline, numbers or {}, n, coverage=coverage)


def unknown(
    missing: str, *needs: Need, numbers: Mapping[str, Any] | None = None, n: int | None = None
) -> Observation:
    """Build a `not enough evidence` observation.

    Args:
        missing: The missing evidence in one line.
        needs: What would decide the rule; none if nothing that the user can do would.
        numbers: The figures so far.
        n: Number of calls or samples behind them.
    """
    return Observation("not enough evidence", missing, numbers or {}, n, needs=needs)


def too_few(least: int, what: str = "steady calls", n: int | None = None) -> Observation:
    """Build the observation on a run that is too short.

    Args:
        least: Smallest number that the rule needs.
        what: Their kind.
        n: How many there are.
    """
    return unknown(f"fewer than {least} {what}", Need("calls", what, least), n=n)
