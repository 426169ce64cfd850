"""What a check of stored results says, and what it judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.growth import Verdict
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.intake.reading.measurements import LogLine, Measurement, Summarized

EXAMPLES = 3
# Table, system, mode, tag: runs that have these in common are replicates.
Group = tuple[str, str, str, str]
# Bundle, system, mode, tag and repetition: one run, in whatever table.
Key = tuple[str, str, str, str, int | None]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one check says.

    Attributes:
        rule: Its name, kebab-case.
        verdict: `flagged`, `clear` or `not enough evidence`.
        said: What was seen, with figures.
        remedy: What to do about it; empty where nothing is to be done.
    """

    rule: str
    verdict: Verdict
    said: str
    remedy: str = ""

    @property
    def flagged(self) -> bool:
        """Whether something does not hold."""
        return self.verdict == "flagged"


@dataclass(slots=True)
class Evidence:
    """All that bundles hold, as far as it could be read.

    Attributes:
        measurements: Timed runs.
        summaries: Summed-up rows.
        lines: What logs say.
        environments: Reports on the environment, by name.
        journals: Our journals' figures, by name.
        profiles: Results of the MLFF-Distiller profiler, by name.
        studies: What controlled experiments of ours made of their cells, by name.
        wrong_sums: Members whose SHA-256 is not the one in the bundle's list.
        right_sums: How many are as listed.
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
        """Return the runs without those of tables that only repeat what is recorded of single processes."""
        records = self.records()
        own = {each.table for each in self.measurements if each.recorded or key(each) not in records}
        return [each for each in self.measurements if each.table in own]

    def groups(self) -> dict[Group, list[Measurement]]:
        """Return the original runs by table, system, mode and tag: what is a replicate of what."""
        found: dict[Group, list[Measurement]] = {}
        for each in self.originals():
            found.setdefault((each.table, each.system, each.mode, each.tag), []).append(each)
        return found

    def records(self) -> dict[Key, Measurement]:
        """Return the runs of which the process's own record is there."""
        return {key(each): each for each in self.measurements if each.recorded}


def key(each: Measurement) -> Key:
    """Return what a run is known by in all tables of a bundle."""
    return each.bundle, each.system, each.mode, each.tag, each.rep


def some(names: list[str], between: str = ", ") -> str:
    """Name a few of many."""
    more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
    return between.join(names[:EXAMPLES]) + more


def label(group: Group) -> str:
    """Name a system, its mode and tag."""
    return " ".join(part for part in group[1:] if part)


def ruling(rule: str, wrong: list[str], clear: str, missing: str = "", remedy: str = "") -> Ruling:
    """Return what follows from a list of what is wrong.

    Args:
        rule: The rule's name.
        wrong: What is wrong, each in words; nothing is wrong where it is empty.
        clear: What shows that nothing is.
        missing: What is missing to tell; empty where it can be told.
        remedy: What to do where something is wrong or missing.
    """
    if wrong:
        cases = f"{len(wrong)} cases: " if len(wrong) > 1 else ""
        return Ruling(rule, "flagged", cases + some(wrong, "; "), remedy)
    if missing:
        return Ruling(rule, "not enough evidence", missing, remedy)
    return Ruling(rule, "clear", clear)
