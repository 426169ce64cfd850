"""A fleet: many runs, judged together, with every file accounted for."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    path: str
    why: str
    copy: bool = False


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
    def slow_nodes(self) -> tuple[NodeSpeed, ...]:
        """The nodes that are slower than their equals."""
        return tuple(each for each in self.nodes if each.slow)


def fleet_of(read: Sequence[FleetRun | NotARun]) -> Fleet:
    """Judge many runs together.

    Args:
        read: What each file is, in order.
    """
    runs, copies = _without_copies([each for each in read if not isinstance(each, NotARun)])
    groups = equals_of(runs)
    return Fleet(
        files=len(read),
        runs=tuple(runs),
        not_runs=(*(each for each in read if isinstance(each, NotARun)), *copies),
        chains=tuple(chains_of(runs)),
        groups=tuple(groups),
        nodes=tuple(node_speeds(groups)),
        same=tuple(same_frames(runs)),
    )


def _without_copies(runs: Sequence[FleetRun]) -> tuple[list[FleetRun], list[NotARun]]:
    """Keep the longest copy of each run; a file that continues another one is a run of its own."""
    longest: dict[object, FleetRun] = {}
    for number, run in enumerate(runs):
        key = (run.run_id, run.continues) if run.run_id else number
        if key not in longest or run.size > longest[key].size:
            longest[key] = run
    kept = {id(each) for each in longest.values()}
    copies = [
        NotARun(run.path, f"a copy of {longest[run.run_id, run.continues].path}", copy=True)
        for run in runs
        if id(run) not in kept
    ]
    return [each for each in runs if id(each) in kept], copies
