"""Group journals: the parts of a requeued job, and a process with its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.journal.records import RunStart


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one group, in order of start; `name` is None for a single run."""

    name: str | None
    runs: tuple[ReadRun, ...]


def group_runs(runs: Sequence[ReadRun]) -> list[Group]:
    """Group runs by job series, and workers with the run that started them."""
    members: dict[str, list[ReadRun]] = {}
    starts = [_start(each) for each in runs]
    by_run = {start.run_id: start for start in starts if start is not None}
    for each in runs:
        members.setdefault(_key(each, by_run), []).append(each)
    groups = []
    for key, found in members.items():
        found.sort(key=lambda each: start.started if (start := _start(each)) else "")
        groups.append(Group(key if len(found) > 1 else None, tuple(found)))
    return groups


def _start(run: ReadRun) -> RunStart | None:
    return run.summary.journal.start


def _key(run: ReadRun, by_run: dict[str, RunStart]) -> str:
    start = _start(run)
    if start is None:
        return f"file {run.summary.journal.path}"
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
