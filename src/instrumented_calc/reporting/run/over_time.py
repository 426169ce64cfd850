"""Latency and memory over the run as one line each, where a rule has found that they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.quantities import bytes_of, duration
from instrumented_calc.reporting.run.summary_layout import TEXT_WIDTH
from instrumented_calc.reporting.sparkline import LATENCY, MEMORY, sparkline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary

LATENCY_RULES = {"latency-drift", "long-calls"}
MEMORY_RULES = {"host-growth"}
BINS, FEWEST = 40, 8  # of calls or samples: fewer show no course


def over_time(summary: Summary, findings: Sequence[RuleFinding]) -> Iterator[tuple[str, str]]:
    """Yield the rows of the summary; none of a run in which nothing changed.

    A thinned journal has only some of its calls as rows, which are not typical.
    """
    flagged = {each.rule for each in findings if each.verdict == "flagged"}
    calls = summary.journal.calls
    if flagged & LATENCY_RULES and not summary.journal.slices:
        rows = np.flatnonzero(~(calls.nested | calls.raised | calls.compiling))
        # Of single long calls the median of their neighbours shows nothing.
        typical = np.max if "long-calls" in flagged else np.median
        yield from _row(LATENCY, calls.wall_ns[rows], typical, duration)
    resident = calls.sparse.get("rss_bytes")
    if flagged & MEMORY_RULES and resident is not None:
        yield from _row(MEMORY, resident.values, np.median, bytes_of)


def _row(
    label: str, values: Any, typical: Callable[..., Any], shown: Callable[[float], str]
) -> Iterator[tuple[str, str]]:
    if len(values) < FEWEST:
        return
    course = [float(typical(group)) for group in np.array_split(values, min(BINS, len(values)))]
    ends = f" {shown(course[0])} -> {shown(course[-1])}, at most {shown(float(values.max()))}"
    line = sparkline(course, TEXT_WIDTH - len(ends), ascii_only=True)
    yield label, f"{line}{ends}"
