"""All that a run's plots show, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.course.axis import MOST_BINS, find_axis
from instrumented_calc.analysis.course.distribution import Distribution, distribute
from instrumented_calc.analysis.course.events import (
    Pin,
    PlacedCall,
    Span,
    failed_calls,
    pins,
    slow_calls,
    spans,
)
from instrumented_calc.analysis.course.latency_bins import LatencyBin, bin_latency
from instrumented_calc.analysis.course.series import BinnedSeries, memory_limit, memory_series, state_series
from instrumented_calc.analysis.timing.latency import steady_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary


@dataclass(frozen=True, slots=True)
class Course:
    """One run over its course.

    Attributes:
        axis: `step` or `call`: what the positions are.
        low: First position.
        high: Last position.
        bins: Latency and parts.
        distribution: How many steady calls took how long; None if they are too few.
        state: State of the simulation.
        memory: Memory.
        memory_limit_bytes: Limit of the host memory; None if unknown.
        slow: The slowest calls.
        failed: The first failed calls.
        spans: Stretches in which something slowed the run.
        pins: Findings, marks and phases with a position.
    """

    axis: str
    low: int
    high: int
    bins: tuple[LatencyBin, ...]
    distribution: Distribution | None
    state: tuple[BinnedSeries, ...]
    memory: tuple[BinnedSeries, ...]
    memory_limit_bytes: int | None
    slow: tuple[PlacedCall, ...]
    failed: tuple[PlacedCall, ...]
    spans: tuple[Span, ...]
    pins: tuple[Pin, ...]


def follow(summary: Summary, findings: Sequence[RuleFinding], most_bins: int = MOST_BINS) -> Course | None:
    """Return a run over its course, or None if it has no calls.

    Args:
        summary: The run in numbers.
        findings: Its findings.
        most_bins: Largest number of bins along the run.
    """
    journal = summary.journal
    axis = find_axis(journal, most_bins)
    if axis is None:
        return None
    bins = bin_latency(journal, axis)
    steady, _ = steady_calls(journal.calls)
    return Course(
        axis=axis.name,
        low=axis.low,
        high=axis.high,
        bins=tuple(bins),
        distribution=distribute(journal.calls, steady, journal.slices),
        state=tuple(state_series(journal, axis)),
        memory=tuple(memory_series(journal, axis)),
        memory_limit_bytes=memory_limit(journal),
        slow=tuple(slow_calls(summary, axis, steady)),
        failed=tuple(failed_calls(journal.calls, axis)),
        spans=tuple(spans(summary, axis, steady, bins)),
        pins=tuple(pins(summary, findings, axis)),
    )
