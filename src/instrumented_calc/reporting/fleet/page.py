"""A fleet as an HTML page: a small figure of each group of equal runs, and a table of all runs to filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import plural
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.fleet.files import fleet_numbers
from instrumented_calc.reporting.fleet.report import build_fleet
from instrumented_calc.reporting.html.result_page import ResultPage, render_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.fleet.equals import EqualRuns
    from instrumented_calc.analysis.fleet.fleet import Fleet

MOST_FIGURES, MOST_ROWS = 24, 12
NS_PER_MS = 1e6


def fleet_page(fleet: Fleet) -> str:
    """Return the page of a fleet.

    Args:
        fleet: The runs.
    """
    slow = len(fleet.slow_nodes)
    broken = len(fleet.broken)
    words = [plural(broken, "broken run")] if broken else []
    words += [plural(slow, "slow node")] if slow else []
    page = ResultPage(
        build_fleet(fleet, everything=True),
        tuple(_figures(fleet)),
        plain_json(fleet_numbers(fleet)),
        badge="bad" if broken else "warn" if slow else "quiet",
        verdict=", ".join(words),
        filtered=True,
    )
    return render_result(page)


def _figures(fleet: Fleet) -> Iterator[Figure]:
    """Yield one figure per group that has several nodes or runs, largest group first."""
    for number, group in enumerate(fleet.groups[:MOST_FIGURES], 1):
        if len(group.timed) > 1:
            yield _figure(number, group)


def _figure(number: int, group: EqualRuns) -> Figure:
    """Return the nodes of a group, slowest first: the median of their runs, with the range."""
    by_node: dict[str, list[float]] = {}
    for run in group.timed:
        by_node.setdefault(run.host or "unknown node", []).append((run.call_ns or 0.0) / NS_PER_MS)
    nodes = sorted(by_node.items(), key=lambda pair: -float(np.median(pair[1])))
    slowest = nodes[:MOST_ROWS]
    more = f", slowest {len(slowest)} of {len(nodes)} nodes" if len(slowest) < len(nodes) else ""
    identity = group.identity
    calculator = identity.get("calculator", "").rpartition(".")[2]
    machine = identity.get("gpu: gpu") or identity.get("gpu") or identity.get("cpu", "")
    named = ", ".join(each for each in (identity.get("system", ""), calculator, machine) if each)
    return Figure(
        name=f"group-{number}",
        title=f"Group {number}: {named}{more}",
        along="node",
        height="ms per call: median of the node's runs, fastest to slowest",
        points=tuple(
            Point("runs", f"{host} ({len(times)})", float(np.median(times)), min(times), max(times))
            for host, times in slowest
        ),
        logarithmic=True,
        reference=None if group.centre_ns is None else group.centre_ns / NS_PER_MS,
    )
