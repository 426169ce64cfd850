"""Results of the checks of stored data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.growth import Verdict
    from instrumented_calc.intake.reading.study_data import Group

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Ruling:
    """Result of one check.

    Attributes:
        rule: Its name, kebab-case.
        verdict: `flagged`, `clear` or `not enough evidence`.
        said: The observation, with figures.
        remedy: What to do about it; empty if nothing is to be done.
    """

    rule: str
    verdict: Verdict
    said: str
    remedy: str = ""

    @property
    def flagged(self) -> bool:
        """Whether the check failed."""
        return self.verdict == "flagged"


def some(names: list[str], between: str = ", ") -> str:
    """Name the first few of many."""
    more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
    return between.join(names[:EXAMPLES]) + more


def label(group: Group) -> str:
    """Name a system, its mode and tag."""
    return " ".join(part for part in group[1:] if part)


def ruling(rule: str, wrong: list[str], clear: str, missing: str = "", remedy: str = "") -> Ruling:
    """Build a ruling from a list of violations.

    Args:
        rule: The rule's name.
        wrong: The violations in words; empty if there are none.
        clear: StudyData that there are none.
        missing: Missing evidence; empty if the check is possible.
        remedy: What to do if the check fails or evidence is missing.
    """
    if wrong:
        cases = f"{len(wrong)} cases: " if len(wrong) > 1 else ""
        return Ruling(rule, "flagged", cases + some(wrong, "; "), remedy)
    if missing:
        return Ruling(rule, "not enough evidence", missing, remedy)
    return Ruling(rule, "clear", clear)
