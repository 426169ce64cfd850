"""Everything that could be read from bundles, as one object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.intake.reading.measurements import LogLine, Measurement, Summarized

# Table, system, mode, tag: runs that share these are replicates.
Group = tuple[str, str, str, str]
# Bundle, system, mode, tag and repetition: one run, in any table.
Key = tuple[str, str, str, str, int | None]


@dataclass(slots=True)
class StudyData:
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
