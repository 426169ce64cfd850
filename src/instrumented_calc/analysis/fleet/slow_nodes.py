"""Nodes that are slower than their equals, judged by the scatter between the other nodes.

Each run is compared with its equals; a node's figure is the median of its runs' differences. Runs on one node
share whatever makes nodes differ, so that the number of runs does not prove anything by itself: a node is
judged by how the medians of the *other* nodes scatter, on the same hardware. Several slow nodes would hide
each other in that scatter; hence the generalized ESD procedure (Rosner, Technometrics 25, 165 (1983)),
one-sided: nodes are taken away, slowest first, each is tested against those that remain, and all up to the
last one that fails its test are slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.student_t import t_quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from instrumented_calc.analysis.fleet.equals import EqualRuns

# Fewer runs do not show that the node, and not one run, is slow.
FEWEST_RUNS = 3
# A node and at least three others: with fewer, their scatter is not known.
FEWEST_NODES = 4
# Chance that a fleet without a slow node has one marked. The aim is below 5 %; scatter between runs that is
# not normal, and few nodes, take the rest (tests/analysis/fleet/test_slow_nodes.py simulates fleets).
CHANCE = 0.02
# A smaller difference, even a certain one, is not worth reporting to an administrator. Uncalibrated.
SLOWER_SHARE = 0.1
# Share of the nodes that may be slow: more of them are not the exception.
MOST_SLOW = 0.25
MEDIAN_VARIANCE = math.pi / 2  # of the median of normal values, over that of their mean


@dataclass(frozen=True, slots=True)
class NodeSpeed:
    """One node among its equals.

    Attributes:
        host: The node.
        hardware: What its equals share of the machine.
        runs: Its runs that have equals on other nodes.
        slower: By how much its calls take longer than those of its equals: 0.2 for 20 %.
        scatter: Standard deviation of the other nodes' figures, relative; None if it was not judged.
        nodes: Nodes that it was compared with.
        slow: Whether it is slower beyond doubt; None if there is not enough evidence.
    """

    host: str
    hardware: tuple[tuple[str, str], ...]
    runs: int
    slower: float
    scatter: float | None
    nodes: int
    slow: bool | None


def node_speeds(groups: Iterable[EqualRuns]) -> list[NodeSpeed]:
    """Judge all nodes, slowest first.

    Args:
        groups: Equal runs; only those on three nodes or more are used, and hardware is never mixed.
    """
    kinds: dict[tuple[tuple[str, str], ...], dict[str, list[float]]] = {}
    for group in groups:
        hosts = {run.host for run in group.timed if run.host}
        if group.centre_ns is None or len(hosts) < FEWEST_NODES - 1:
            continue
        nodes = kinds.setdefault(group.hardware, {})
        for run in group.timed:
            if run.host and run.call_ns:
                nodes.setdefault(run.host, []).append(math.log(run.call_ns / group.centre_ns))
    found = [each for hardware, nodes in kinds.items() for each in _judged(hardware, nodes)]
    return sorted(found, key=lambda each: -each.slower)


def _judged(
    hardware: tuple[tuple[str, str], ...], residuals: Mapping[str, Sequence[float]]
) -> list[NodeSpeed]:
    """Judge the nodes of one kind by the residuals of their runs: logarithms of time over that of equals."""
    able = _Nodes({host: each for host, each in residuals.items() if len(each) >= FEWEST_RUNS})
    number = len(able.hosts)
    judged = number >= FEWEST_NODES
    slow = _number_of_slow(able) if judged else 0
    found = []
    for place, host in enumerate(able.hosts):
        scatter = able.scatter(place, slow) if judged else None
        slower = math.expm1(able.levels[place])
        is_slow = place < slow if judged else None
        found.append(
            NodeSpeed(host, hardware, int(able.runs[place]), slower, scatter, max(number - 1, 0), is_slow)
        )
    few = {host: each for host, each in residuals.items() if len(each) < FEWEST_RUNS}
    for host, each in few.items():
        slower = math.expm1(float(np.median(each)))
        found.append(NodeSpeed(host, hardware, len(each), slower, None, number, None))
    return found


class _Nodes:
    """Nodes of one kind, slowest first.

    Attributes:
        hosts: Their names.
        levels: Medians of their runs' residuals.
        runs: Numbers of their runs.
    """

    def __init__(self, residuals: Mapping[str, Sequence[float]]) -> None:
        order = sorted(residuals, key=lambda host: -float(np.median(residuals[host])))
        arrays = [np.array(residuals[host]) for host in order]
        self.hosts = order
        self.levels = np.array([float(np.median(each)) for each in arrays])
        self.runs = np.array([len(each) for each in arrays])
        self._squares = np.array([float(np.square(each - each.mean()).sum()) for each in arrays])

    def scatter(self, place: int, first_other: int) -> float:
        """Return the standard deviation of a figure such as one node's, from other nodes.

        The scatter of the other nodes' figures contains that between their runs. A node with fewer runs than
        they have is less certain, by as much as runs on one node scatter.

        Args:
            place: The node.
            first_other: The first of the nodes that are not slow; the node itself is left out.
        """
        others = np.arange(len(self.hosts)) >= first_other
        others[place] = False
        between = float(np.var(self.levels[others], ddof=1))
        within = float(self._squares[others].sum() / (self.runs[others] - 1).sum())
        fewer = 1 / self.runs[place] - float(np.mean(1 / self.runs[others]))
        return math.sqrt(between + MEDIAN_VARIANCE * within * max(fewer, 0.0))


def _number_of_slow(nodes: _Nodes) -> int:
    """Return how many of the nodes, slowest first, are slow."""
    slow, number = 0, len(nodes.hosts)
    most = min(max(1, int(MOST_SLOW * number)), number - FEWEST_NODES + 1)
    for place in range(most):
        others = number - place - 1
        if nodes.levels[place] <= math.log1p(SLOWER_SHARE):
            break  # those that follow are faster still
        apart = nodes.levels[place] - float(np.mean(nodes.levels[place + 1 :]))
        error = nodes.scatter(place, place + 1) * math.sqrt(1 + 1 / others)
        # One-sided, and the slowest of all: Bonferroni over the nodes that remain.
        limit = t_quantile(others - 1, 1 - 2 * CHANCE / (others + 1))
        if apart > limit * error:
            slow = place + 1
    return slow
