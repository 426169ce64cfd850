"""Types of rules and findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.observation import Observation, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from instrumented_calc.analysis.rules.evidence import Evidence

__all__ = ["Finding", "Observation", "Rule", "Severity", "Verdict", "clear", "flagged", "unknown"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: Stable name, kebab-case.
        severity: Severity of its findings.
        remedy: How to fix the problem.
        confirm: How to confirm it.
        look: Judges the evidence.
    """

    name: str
    severity: Severity
    remedy: str
    confirm: str
    look: Callable[[Evidence], Observation]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a rule for one run, as reported.

    Attributes:
        rule: The rule's name.
        verdict: `flagged`, `clear` or `not enough evidence`.
        severity: `wrong`, `cost` or `info`.
        headline: The observation, or the missing evidence.
        numbers: The figures, by name with unit.
        n: Number of calls or samples behind them.
        saving_ms: Largest possible saving per step, or per call if there are no steps, in ms.
        saving_share: The same as a share of the wall time.
        ceiling: Largest possible speedup of the run: Amdahl's law.
        remedy: What to do.
        confirm: How to confirm it.
        silence: How to suppress it.
    """

    rule: str
    verdict: Verdict
    severity: Severity
    headline: str
    numbers: Mapping[str, Any]
    n: int | None
    saving_ms: float | None
    saving_share: float | None
    ceiling: float | None
    remedy: str
    confirm: str
    silence: str


def flagged(  # noqa: PLR0913 - keyword-only, one per field
    headline: str,
    *,
    numbers: Mapping[str, Any],
    n: int | None = None,
    saving_ns: float | None = None,
    remedy: str | None = None,
    severity: Severity | None = None,
) -> Observation:
    """Build a `flagged` observation."""
    return Observation("flagged", headline, numbers, n, saving_ns, remedy, severity)


def clear(headline: str, numbers: Mapping[str, Any] | None = None, n: int | None = None) -> Observation:
    """Build a `clear` observation, with the evidence for it."""
    return Observation("clear", headline, numbers or {}, n)


def unknown(missing: str, numbers: Mapping[str, Any] | None = None, n: int | None = None) -> Observation:
    """Build a `not enough evidence` observation, with the missing evidence."""
    return Observation("not enough evidence", missing, numbers or {}, n)
