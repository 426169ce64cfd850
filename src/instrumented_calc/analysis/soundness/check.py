"""The result of one check of a simulation's soundness."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instrumented_calc.analysis.observation import Severity, Verdict

FEW_ATOMS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Since:
    """When something began.

    Attributes:
        call: Number of the call, from 0, as everywhere in a report.
        step: Step that the call belongs to, counted from 1; 0 is the start; None if unknown.
        exact: Whether the call before was inspected, too.
    """

    call: int
    step: int | None = None
    exact: bool = True

    @property
    def words(self) -> str:
        """Such as "step 1,204 (call 1,205)"."""
        call = f"call {self.call:,}"
        words = call if self.step is None else f"step {self.step:,} ({call})"
        return words if self.exact else f"{words} at the latest"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        name: Name of the rule that reports it.
        verdict: `flagged`, `clear` or `not enough evidence`.
        text: A sentence: what is wrong and since when, what was inspected, or what is missing.
        numbers: The figures, by name with unit.
        n: Number of calls or samples behind them.
        since: When the fault began; None if it was there from the start, or is none.
        severity: `wrong` if the results are void; `info` for what only the user can judge.
    """

    name: str
    verdict: Verdict
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    n: int | None = None
    since: Since | None = None
    severity: Severity = "wrong"

    @property
    def ruins(self) -> bool:
        """Whether the results are void."""
        return self.verdict == "flagged" and self.severity == "wrong"


@dataclass(frozen=True, slots=True)
class Soundness:
    """All checks of a run.

    Attributes:
        checks: In the order of the catalogue.
    """

    checks: tuple[Check, ...] = ()

    @property
    def ruined(self) -> tuple[Check, ...]:
        """The checks that say that the results are void, the one that began first before the others."""
        found = [each for each in self.checks if each.ruins]
        return tuple(sorted(found, key=lambda each: -1 if each.since is None else each.since.call))

    def of(self, name: str) -> Check | None:
        """Return one check."""
        return next((each for each in self.checks if each.name == name), None)


def atoms_in_words(atoms: list[int]) -> str:
    """Return such as "atoms 17, 18"; atoms are numbered from 0, as in ASE."""
    named = ", ".join(f"{each:,}" for each in atoms[:FEW_ATOMS_NAMED])
    more = ", ..." if len(atoms) > FEW_ATOMS_NAMED else ""
    return f"atom{'s' if len(atoms) > 1 else ''} {named}{more}"
