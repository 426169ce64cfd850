"""Hotspots of a mode, by cProfile, in separate cells that are not used for timing."""

from __future__ import annotations

import cProfile
from dataclasses import replace
from pathlib import PurePath
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.study.hotspots import Hotspot, ProfiledMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.experiments.study.plan import Plan
    from instrumented_calc.experiments.study.task import Task
    from instrumented_calc.integration import Workload

MOST_EVALUATIONS = 20
FUNCTIONS = 50
PARTS_KEPT = 3  # of a path: installation folders are private


def profiled_tasks(tasks: Sequence[Task], plan: Plan, workload: Workload) -> list[Task]:
    """Return one cell per mode for cProfile: the largest input, with the first requested settings.

    Args:
        tasks: The timed cells.
        plan: The plan.
        workload: Its inputs.
    """
    largest = max(workload.cases, key=lambda case: case.n_atoms).file
    first: dict[str, list[Task]] = {}
    for task in tasks:
        if task.file == largest:
            first.setdefault(task.mode, []).append(task)
    chosen = [min(first[mode], key=lambda task: _rank(task, plan)) for mode in plan.modes if mode in first]
    return [replace(each, cprofile=True, stem=f"{each.stem}-cprofile") for each in chosen]


def _rank(task: Task, plan: Plan) -> tuple[bool, bool, bool, int, str]:
    other = task.dtype != plan.dtypes[0], task.device != plan.devices[0], task.compiled
    return *other, task.rep, task.tag


def profile(evaluate: Callable[[], None], task: Task) -> ProfiledMode:
    """Evaluate a few times under cProfile.

    Args:
        evaluate: One evaluation, warmed up.
        task: The task.
    """
    profiler = cProfile.Profile()
    evaluations, start = 0, perf_counter_ns()
    while evaluations < MOST_EVALUATIONS:
        profiler.enable()
        evaluate()
        profiler.disable()
        evaluations += 1
        if perf_counter_ns() - start > task.seconds * 1e9:
            break
    # Its entries, not its file: unmarshalling can crash the reader.
    seen = [each for each in profiler.getstats() if "_lsprof.Profiler" not in str(each.code)]
    total = sum(each.inlinetime for each in seen) or 1.0
    seen.sort(key=lambda each: -each.inlinetime)
    functions = tuple(_hotspot(each, total) for each in seen[:FUNCTIONS])
    return ProfiledMode(task.file, task.mode, task.tag, evaluations, functions)


def _hotspot(entry: Any, total: float) -> Hotspot:
    code = entry.code
    built_in = isinstance(code, str)
    return Hotspot(
        function=code if built_in else code.co_qualname if hasattr(code, "co_qualname") else code.co_name,
        file="" if built_in else "/".join(PurePath(code.co_filename).parts[-PARTS_KEPT:]),
        line=0 if built_in else code.co_firstlineno,
        calls=entry.callcount,
        own_s=entry.inlinetime,
        cumulative_s=entry.totaltime,
        own_share=entry.inlinetime / total,
    )
