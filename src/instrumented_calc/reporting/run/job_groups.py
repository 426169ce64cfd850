"""Group journals: the parts of a requeued job, and a process with its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.journal.records import RunStart


@dataclass(frozen=True, slots=True)
class Group:
    """Journals of one group, in order of start; `name` is None for a single journal."""

    name: str | None
    summaries: tuple[Summary, ...]


def group_journals(summaries: Sequence[Summary]) -> list[Group]:
    """Group journals by job series, and workers with the run that started them."""
    members: dict[str, list[Summary]] = {}
    starts = [each.journal.start for each in summaries]
    by_run = {start.run_id: start for start in starts if start is not None}
    for each in summaries:
        members.setdefault(_key(each, by_run), []).append(each)
    groups = []
    for key, found in members.items():
        found.sort(key=lambda each: each.journal.start.started if each.journal.start else "")
        groups.append(Group(key if len(found) > 1 else None, tuple(found)))
    return groups


def _key(summary: Summary, by_run: dict[str, RunStart]) -> str:
    start = summary.journal.start
    if start is None:
        return f"file {summary.journal.path}"
    if start.series:
        return f"series {start.series}"
    seen = set()
    while start.parent_run_id and start.run_id not in seen:
        seen.add(start.run_id)
        parent = by_run.get(start.parent_run_id)
        if parent is None:
            return f"run {start.parent_run_id}"
        start = parent
    return f"series {start.series}" if start.series else f"run {start.run_id}"
