"""What a rule is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from instrumented_calc.analysis.statistics.growth import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from instrumented_calc.analysis.rules.evidence import Evidence

__all__ = ["Finding", "Observation", "Rule", "Severity", "Verdict", "clear", "flagged", "unknown"]

# `wrong`: wrong results, or a run that will die. `cost`: time that could be saved. `info`: good to know.
Severity = Literal["wrong", "cost", "info"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a rule saw.

    Attributes:
        verdict: What it makes of it.
        headline: That in one line, with the figures that matter.
        numbers: All figures, by name with unit.
        n: Number of calls or samples they rest on.
        saving_ns: Wall time that the whole run could save at most, None where that is not known.
        remedy: What to do, where it differs from the rule's.
        severity: Likewise.
    """

    verdict: Verdict
    headline: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    n: int | None = None
    saving_ns: float | None = None
    remedy: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: Its stable name, kebab-case.
        severity: Of what it flags.
        remedy: What to do about it.
        confirm: How to make sure.
        look: Looks at the evidence.
    """

    name: str
    severity: Severity
    remedy: str
    confirm: str
    look: Callable[[Evidence], Observation]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found in a run.

    Attributes:
        rule: The rule's name.
        verdict: `flagged`, `clear` or `not enough evidence`.
        severity: `wrong`, `cost` or `info`.
        headline: What was seen, or what is missing.
        numbers: The figures, by name with unit.
        n: Number of calls or samples they rest on.
        saving_ms: What a step, or a call where there are no steps, could save at most, ms.
        saving_share: That as a share of the wall time.
        ceiling: How many times faster the run would be at most: Amdahl's law.
        remedy: What to do.
        confirm: How to make sure.
        silence: How not to be told again.
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


def flagged(  # noqa: PLR0913 - keyword-only, one a field
    headline: str,
    *,
    numbers: Mapping[str, Any],
    n: int | None = None,
    saving_ns: float | None = None,
    remedy: str | None = None,
    severity: Severity | None = None,
) -> Observation:
    """Return what is wrong."""
    return Observation("flagged", headline, numbers, n, saving_ns, remedy, severity)


def clear(headline: str, numbers: Mapping[str, Any] | None = None, n: int | None = None) -> Observation:
    """Return that nothing is wrong, and what shows it."""
    return Observation("clear", headline, numbers or {}, n)


def unknown(missing: str, numbers: Mapping[str, Any] | None = None, n: int | None = None) -> Observation:
    """Return that it cannot be told, and what is missing."""
    return Observation("not enough evidence", missing, numbers or {}, n)
