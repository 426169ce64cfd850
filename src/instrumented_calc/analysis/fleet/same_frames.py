"""Processes that ran together and computed the same frames: each repeats the work of the others.

That is what `mpirun -n 4 python md.py` does with a script that knows nothing of MPI. Of a calculator that is
itself parallel all ranks record the same frames rightly: hence a question, not a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.analysis.fleet.fleet_run import FleetRun

# Processes of one program make their first calls within this time of each other.
STARTED_APART_S = 600.0


@dataclass(frozen=True, slots=True)
class SameFrames:
    """Processes of one program with the same first frames.

    Attributes:
        runs: At least two, in order of start.
        ranks: Whether all are MPI ranks.
    """

    runs: tuple[FleetRun, ...]
    ranks: bool


def same_frames(runs: Iterable[FleetRun]) -> list[SameFrames]:
    """Find processes that computed the same: equal energies of the first geometries, to the last bit.

    They are of one command and folder, and ran at the same time.

    Args:
        runs: The runs.
    """
    alike: dict[tuple[str, str], list[FleetRun]] = {}
    for run in runs:
        if run.frames and run.program and run.started is not None:
            alike.setdefault((run.program, run.frames), []).append(run)
    found = []
    for group in alike.values():
        group.sort(key=lambda each: each.started or 0.0)
        found += [SameFrames(tuple(each), _are_ranks(each)) for each in _together(group) if len(each) > 1]
    return found


def _together(runs: list[FleetRun]) -> list[list[FleetRun]]:
    """Split runs, in order of start, where one began after those before had ended."""
    groups: list[list[FleetRun]] = []
    ends = first = 0.0
    for run in runs:
        began = run.started or 0.0
        if not groups or began >= ends or began - first > STARTED_APART_S:
            groups.append([])
            first, ends = began, 0.0
        groups[-1].append(run)
        ends = max(ends, began + (run.run_ns or 0) / 1e9)
    return groups


def _are_ranks(runs: list[FleetRun]) -> bool:
    ranks = [each.rank for each in runs]
    return None not in ranks and len(set(ranks)) == len(ranks)
