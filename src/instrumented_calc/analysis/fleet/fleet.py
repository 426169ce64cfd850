"""A fleet: many runs, judged together, with every file accounted for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instrumented_calc.analysis.fleet.chains import chains_of
from instrumented_calc.analysis.fleet.equals import equals_of
from instrumented_calc.analysis.fleet.same_frames import same_frames
from instrumented_calc.analysis.fleet.slow_nodes import node_speeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.fleet.chains import JobChain
    from instrumented_calc.analysis.fleet.equals import EqualRuns
    from instrumented_calc.analysis.fleet.fleet_run import FleetRun
    from instrumented_calc.analysis.fleet.same_frames import SameFrames
    from instrumented_calc.analysis.fleet.slow_nodes import NodeSpeed


@dataclass(frozen=True, slots=True)
class NotARun:
    """A file that has no run of its own.

    Attributes:
        path: The file.
        why: Why not.
        copy: Whether it is another copy of a run that is counted.
        part: Whether it is an earlier or later part of the journal of a run that is counted.
    """

    path: str
    why: str
    copy: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many runs.

    Attributes:
        files: Number of files: each is the journal of a run, or one of `not_runs`.
        runs: The runs, in the order of the files.
        not_runs: Files without a run of their own.
        chains: The runs, with the parts of a requeued job as one.
        groups: Runs with equal keys, largest group first.
        nodes: The nodes, slowest first.
        same: Processes that computed the same frames.
    """

    files: int
    runs: tuple[FleetRun, ...]
    not_runs: tuple[NotARun, ...]
    chains: tuple[JobChain, ...]
    groups: tuple[EqualRuns, ...]
    nodes: tuple[NodeSpeed, ...]
    same: tuple[SameFrames, ...]

    @property
    def broken(self) -> tuple[FleetRun, ...]:
        """The runs whose simulation is broken, as far as was read."""
        return tuple(each for each in self.runs if each.not_finite or each.ruin)

    @property
    def slow_nodes(self) -> tuple[NodeSpeed, ...]:
        """The nodes that are slower than their equals."""
        return tuple(each for each in self.nodes if each.slow)


def fleet_of(read: Sequence[FleetRun | NotARun]) -> Fleet:
    """Judge many runs together.

    Args:
        read: What each file is, in order.
    """
    found, copies = _without_copies([each for each in read if not isinstance(each, NotARun)])
    runs, parts = _joined(found)
    groups = equals_of(runs)
    return Fleet(
        files=len(read),
        runs=tuple(runs),
        not_runs=(*(each for each in read if isinstance(each, NotARun)), *copies, *parts),
        chains=tuple(chains_of(runs)),
        groups=tuple(groups),
        nodes=tuple(node_speeds(groups)),
        same=tuple(same_frames(runs)),
    )


def _without_copies(runs: Sequence[FleetRun]) -> tuple[list[FleetRun], list[NotARun]]:
    """Keep the longest copy of each file."""
    longest: dict[object, FleetRun] = {}
    keys = [_file_key(each, number) for number, each in enumerate(runs)]
    for key, run in zip(keys, runs, strict=True):
        if key not in longest or run.size > longest[key].size:
            longest[key] = run
    kept = {id(each) for each in longest.values()}
    copies = [
        NotARun(run.path, f"a copy of {longest[key].path}", copy=True)
        for key, run in zip(keys, runs, strict=True)
        if id(run) not in kept
    ]
    return [each for each in runs if id(each) in kept], copies


def _file_key(run: FleetRun, number: int) -> object:
    """Return what copies of a file share: the run, and of a file that continues another its first call."""
    return (run.run_id, run.continues, run.first if run.continues else None) if run.run_id else number


def _joined(runs: Sequence[FleetRun]) -> tuple[list[FleetRun], list[NotARun]]:
    """Make one run of a journal that was moved or cut while written, and the files that continue it."""
    together: dict[object, list[FleetRun]] = {}
    for number, run in enumerate(runs):
        together.setdefault(run.run_id or number, []).append(run)
    joined = [_as_one(sorted(files, key=_first_call)) for files in together.values()]
    kept = {each.run_id: each.path for each in joined}
    parts = [
        NotARun(run.path, f"a part of the journal of the run in {kept[run.run_id]}", part=True)
        for files in together.values()
        for run in files
        if len(files) > 1 and run.path != kept[run.run_id]
    ]
    return joined, parts


def _first_call(run: FleetRun) -> tuple[bool, tuple[int, int]]:
    return run.continues, run.first or (0, 0)


def _as_one(files: Sequence[FleetRun]) -> FleetRun:
    """Return the run of several files in order: clock, totals and end are those of the last one."""
    first, last = files[0], files[-1]
    if first is last:
        return first
    timed = max(files, key=lambda each: each.calls_read)
    return replace(
        last,
        key=timed.key,
        identity=timed.identity,
        call_ns=timed.call_ns,
        calls_read=timed.calls_read,
        not_finite=max((each.not_finite for each in files if each.not_finite is not None), default=None),
        ruin=tuple(dict.fromkeys(text for each in files for text in each.ruin)),
        frames=first.frames,
        damaged_lines=sum(each.damaged_lines for each in files),
        torn=any(each.torn for each in files),
        size=sum(each.size for each in files),
    )
