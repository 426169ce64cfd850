"""Groups of equal runs, and the runs that are far from their equals.

Equals share what `compare` requires: machine, software, calculator, system and driver. Runs on other hardware
are therefore never in one group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.robust_deviation import robust_deviation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from instrumented_calc.analysis.fleet.fleet_run import FleetRun

# With fewer equals, the usual scatter between runs is not known.
FEWEST_EQUALS = 8
# An outlier is beyond this many robust standard deviations (normal scatter: one run in 3.5 million) ...
OUTLIER_DEVIATIONS = 5.0
# ... and differs by more than runs of the same code on one idle machine were seen to differ.
OUTLIER_SHARE = 0.15
# What tells machines apart; other keys are software or the work itself.
HARDWARE = ("cpu", "processors", "gpu", "driver")


@dataclass(frozen=True, slots=True)
class EqualRuns:
    """Runs with one key.

    Attributes:
        key: Their key.
        runs: The runs, those without a median included.
        timed: Those that have one.
        centre_ns: Usual duration of a call: the median over nodes of the median of each node's runs, so that
            a node with many runs counts once, ns; None if no run has one.
        scatter: Robust standard deviation of the logarithm of the calls' durations; None below
            `FEWEST_EQUALS`.
    """

    key: str
    runs: tuple[FleetRun, ...]
    timed: tuple[FleetRun, ...]
    centre_ns: float | None
    scatter: float | None

    @property
    def identity(self) -> Mapping[str, str]:
        """What they share, in words."""
        return self.runs[0].identity

    @property
    def hardware(self) -> tuple[tuple[str, str], ...]:
        """What they share of the machine."""
        return hardware_of(self.identity)

    @property
    def nodes(self) -> int:
        """Number of known nodes."""
        return len({each.host for each in self.runs if each.host})

    def deviation(self, run: FleetRun) -> float | None:
        """Return by how much a run's calls take longer than usual: 0.2 for 20 %; None if unknown."""
        if run.call_ns is None or self.centre_ns is None or len(self.timed) < 2:  # noqa: PLR2004 - no equal
            return None
        return run.call_ns / self.centre_ns - 1

    def is_outlier(self, run: FleetRun) -> bool:
        """Return whether a run is far slower or faster than its equals, measured by their scatter."""
        deviation = self.deviation(run)
        if deviation is None or self.scatter is None or abs(deviation) < OUTLIER_SHARE:
            return False
        return abs(math.log1p(deviation)) > OUTLIER_DEVIATIONS * self.scatter


def hardware_of(identity: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the part of an identity that tells machines apart."""
    return tuple((name, value) for name, value in identity.items() if name.partition(":")[0] in HARDWARE)


def equals_of(runs: Iterable[FleetRun]) -> list[EqualRuns]:
    """Group runs by their keys, largest group first; a run without a key has no equals.

    Args:
        runs: The runs.
    """
    groups: dict[str, list[FleetRun]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(run.key or f"unknown {number}", []).append(run)
    found = [_equals(key, members) for key, members in groups.items()]
    return sorted(found, key=lambda each: -len(each.runs))


def _equals(key: str, runs: Sequence[FleetRun]) -> EqualRuns:
    by_node: dict[str, list[float]] = {}
    timed = tuple(each for each in runs if each.call_ns)
    for run in timed:
        by_node.setdefault(run.host, []).append(math.log(run.call_ns or 1.0))
    times = np.array([each for node in by_node.values() for each in node])
    if not len(times):
        return EqualRuns(key, tuple(runs), timed, None, None)
    centre = float(np.median([np.median(each) for each in by_node.values()]))
    scatter = robust_deviation(times - centre) if len(times) >= FEWEST_EQUALS else None
    return EqualRuns(key, tuple(runs), timed, math.exp(centre), scatter)
