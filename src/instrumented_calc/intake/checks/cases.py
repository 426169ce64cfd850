"""The result of a check of stored data, from the cases in which it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.observation import Observation

if TYPE_CHECKING:
    from instrumented_calc.intake.reading.study_data import Group

EXAMPLES = 3


def some(names: list[str], between: str = ", ") -> str:
    """Name the first few of many."""
    more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
    return between.join(names[:EXAMPLES]) + more


def label(group: Group) -> str:
    """Name a system, its mode and tag."""
    return " ".join(part for part in group[1:] if part)


def observation(rule: str, wrong: list[str], clear: str, missing: str = "", remedy: str = "") -> Observation:
    """Build an observation from the cases in which a check fails.

    Args:
        rule: The check's name.
        wrong: These cases, in words; empty without such cases.
        clear: Evidence that no case is wrong.
        missing: Missing evidence; empty if the check is possible.
        remedy: What to do if the check fails or evidence is missing.
    """
    if wrong:
        cases = f"{len(wrong)} cases: " if len(wrong) > 1 else ""
        return Observation("flagged", cases + some(wrong, "; "), remedy=remedy, rule=rule)
    if missing:
        return Observation("not enough evidence", missing, remedy=remedy, rule=rule)
    return Observation("clear", clear, rule=rule)
