"""Chains: the parts of a requeued job, in order of start."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.analysis.fleet.fleet_run import FleetRun

# Parts follow each other; clocks of two nodes may differ by this much.
CLOCKS_APART_S = 60.0


@dataclass(frozen=True, slots=True)
class JobChain:
    """One run, or the parts of a requeued job in order of start.

    Attributes:
        parts: At least one.
    """

    parts: tuple[FleetRun, ...]

    @property
    def last(self) -> FleetRun:
        """The newest part, which tells how the chain ended."""
        return self.parts[-1]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The nodes, in order."""
        return tuple(dict.fromkeys(each.host for each in self.parts if each.host))

    @property
    def calls(self) -> int | None:
        """Calls of all parts; None if those of one are unknown."""
        return _sum([each.calls for each in self.parts])

    @property
    def run_ns(self) -> int | None:
        """Time of all parts, ns, without that between them; None if that of one is unknown."""
        return _sum([each.run_ns for each in self.parts])

    @property
    def call_ns(self) -> float | None:
        """Median call of its longest part, ns; None if its parts are not equals."""
        if len({each.key for each in self.parts}) > 1:
            return None
        return max(self.parts, key=lambda each: each.calls_read).call_ns


def _sum(values: Sequence[int | None]) -> int | None:
    known = [each for each in values if each is not None]
    return sum(known) if len(known) == len(values) else None


def chains_of(runs: Iterable[FleetRun]) -> list[JobChain]:
    """Group runs into chains, in the order of the runs.

    Parts share the series, the rank and, in a batch job whose series was not named by the user, the program;
    and none starts before the one before it has ended. Programs that ran side by side are no chain.

    Args:
        runs: The runs.
    """
    together: dict[tuple[object, ...], list[FleetRun]] = {}
    for number, run in enumerate(runs):
        alone = not run.series or run.started is None or run.parent_run_id
        key = (number,) if alone else (run.series, run.rank)
        together.setdefault(key, []).append(run)
    return [JobChain(tuple(parts)) for group in together.values() for parts in _in_turn(group)]


def _in_turn(runs: list[FleetRun]) -> list[list[FleetRun]]:
    runs = sorted(runs, key=lambda each: each.started or 0.0)
    if any(_overlap(before, after) for before, after in pairwise(runs)):
        return [[each] for each in runs]
    return [runs]


def _overlap(before: FleetRun, after: FleetRun) -> bool:
    end = (before.started or 0.0) + (before.run_ns or 0) / 1e9
    return (after.started or 0.0) + CLOCKS_APART_S < end
