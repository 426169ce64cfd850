"""Results of the checks of stored data, and their input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.growth import Verdict
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.intake.reading.measurements import LogLine, Measurement, Summarized

EXAMPLES = 3
# Table, system, mode, tag: runs that share these are replicates.
Group = tuple[str, str, str, str]
# Bundle, system, mode, tag and repetition: one run, in any table.
Key = tuple[str, str, str, str, int | None]


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


@dataclass(slots=True)
class Evidence:
    """Everything that could be read from the bundles.

    Attributes:
        measurements: Timed runs.
        summaries: Summary rows.
        lines: Lines of logs.
        environments: Reports on the environment, by name.
        journals: Our journals' figures, by name.
        profiles: Results of the MLFF-Distiller profiler, by name.
        studies: Results of our own controlled experiments, by name.
        wrong_sums: Members whose SHA-256 differs from the bundle's list.
        right_sums: Number of members that match.
    """

    measurements: list[Measurement] = field(default_factory=list)
    summaries: list[Summarized] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    journals: dict[str, Summary] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong_sums: list[str] = field(default_factory=list)
    right_sums: int = 0

    def originals(self) -> list[Measurement]:
        """Return the runs without those of tables that only repeat records of single processes."""
        records = self.records()
        own = {each.table for each in self.measurements if each.recorded or key(each) not in records}
        return [each for each in self.measurements if each.table in own]

    def groups(self) -> dict[Group, list[Measurement]]:
        """Return the original runs by table, system, mode and tag, which identify replicates."""
        found: dict[Group, list[Measurement]] = {}
        for each in self.originals():
            found.setdefault((each.table, each.system, each.mode, each.tag), []).append(each)
        return found

    def records(self) -> dict[Key, Measurement]:
        """Return the runs that have the process's own record."""
        return {key(each): each for each in self.measurements if each.recorded}


def key(each: Measurement) -> Key:
    """Return the key of a run in all tables of a bundle."""
    return each.bundle, each.system, each.mode, each.tag, each.rep


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
        clear: Evidence that there are none.
        missing: Missing evidence; empty if the check is possible.
        remedy: What to do if the check fails or evidence is missing.
    """
    if wrong:
        cases = f"{len(wrong)} cases: " if len(wrong) > 1 else ""
        return Ruling(rule, "flagged", cases + some(wrong, "; "), remedy)
    if missing:
        return Ruling(rule, "not enough evidence", missing, remedy)
    return Ruling(rule, "clear", clear)
