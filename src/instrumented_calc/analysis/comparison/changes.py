"""Other changes between two groups of runs: contractions, memory, findings; no verdict depends on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.statistics.ratio import Ratio, compare_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.contractions.contractions import ContractionUse
    from instrumented_calc.analysis.memory.reading import Memory
    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary


@dataclass(frozen=True, slots=True)
class ContractionChange:
    """One equation in one component, on both sides.

    Attributes:
        equation: As given.
        library: numpy, torch or jax.
        component: Calling component; empty: none.
        calls: Calls per calculation before and after, means over the runs; 0 if there were none.
        time: Time of these calls per calculation.
    """

    equation: str
    library: str
    component: str
    calls: tuple[float, float]
    time: Ratio


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """One kind of memory: means of the runs' peaks in bytes; None if a side did not sample it."""

    name: str
    before_bytes: float | None
    after_bytes: float | None


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A rule that flags only one side, with the headline of the first run it flags."""

    rule: str
    headline: str
    appeared: bool


def contraction_changes(
    before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]
) -> list[ContractionChange]:
    """Return the contractions of either side, longest first."""
    sides = [[_contractions(each) for each in _summaries(side)] for side in (before, after)]
    found = []
    for key in dict.fromkeys(key for side in sides for run in side for key in run):
        calls = [[run[key][0] if key in run else 0.0 for run in side] for side in sides]
        times = [np.array([run[key][1] if key in run else np.nan for run in side]) for side in sides]
        means = tuple(sum(side) / len(side) if side else 0.0 for side in calls)
        found.append(ContractionChange(*key, (means[0], means[1]), compare_groups(times[0], times[1], [])))
    return sorted(found, key=lambda each: -max(each.time.before_ns or 0, each.time.after_ns or 0))


def _contractions(summary: Summary) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Return calls and time per calculation; the time is NaN if unknown."""
    found: dict[tuple[str, str, str], tuple[float, float]] = {}
    rows: tuple[ContractionUse, ...] = summary.contractions.rows if summary.contractions else ()
    each_of = max(summary.evaluations.calls, 1)
    for row in rows:
        key = (row.equation, row.library, row.component)
        calls, time = found.get(key, (0.0, 0.0))
        found[key] = (calls + row.calls / each_of, time + (np.nan if row.ns is None else row.ns / each_of))
    return found


def memory_changes(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> list[MemoryChange]:
    """Return the peaks of each kind of memory sampled on either side."""
    kinds: tuple[tuple[str, Callable[[Summary], Memory | None]], ...] = (
        ("host memory, peak", lambda summary: summary.memory),
        ("device memory, allocated, peak", lambda summary: summary.device_allocated),
        ("device memory, reserved, peak", lambda summary: summary.device_reserved),
    )
    found = []
    for name, kind in kinds:
        means = [_mean_peak([kind(each) for each in _summaries(side)]) for side in (before, after)]
        if means != [None, None]:
            found.append(MemoryChange(name, means[0], means[1]))
    return found


def _mean_peak(sampled: Sequence[Memory | None]) -> float | None:
    known = [each.peak_bytes for each in sampled if each is not None]
    return sum(known) / len(known) if known else None


def finding_changes(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> list[FindingChange]:
    """Return the rules that flag most runs of one side and not most runs of the other."""
    if not _summaries(before) or not _summaries(after):
        return []
    old, new = _mostly_flagged(before), _mostly_flagged(after)
    appeared = [FindingChange(rule, new[rule].headline, appeared=True) for rule in new if rule not in old]
    return appeared + [
        FindingChange(rule, old[rule].headline, appeared=False) for rule in old if rule not in new
    ]


def _mostly_flagged(side: Sequence[MeasuredRun]) -> dict[str, RuleFinding]:
    summaries = _summaries(side)
    flagged: dict[str, list[RuleFinding]] = {}
    for summary in summaries:
        for finding in judge(summary):
            if finding.verdict == "flagged":
                flagged.setdefault(finding.rule, []).append(finding)
    return {rule: found[0] for rule, found in flagged.items() if 2 * len(found) > len(summaries)}


def _summaries(side: Sequence[MeasuredRun]) -> list[Summary]:
    return [run.summary for run in side if run.summary is not None]
