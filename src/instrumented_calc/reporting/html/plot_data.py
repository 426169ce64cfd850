"""What the script of the page draws, as plain JSON values; times in ns, memory in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.course.latency_bins import part_names
from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import count, duration, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.course.course import Course
    from instrumented_calc.analysis.course.events import PlacedCall, Span
    from instrumented_calc.analysis.course.series import BinnedSeries
    from instrumented_calc.analysis.timing.latency import Latency

LONGEST_NAME = 80
SIGNIFICANT = 7  # figures of a number that was not an integer
LARGEST_EXACT = 2**53  # up to which a script has all integers


def plot_data(course: Course | None, latency: Latency | None) -> dict[str, Any]:
    """Return the data of the plots of one run.

    Args:
        course: The run over its course; None without calls.
        latency: Its latency, for the marks in the distribution.
    """
    if course is None:
        return {}
    names = part_names(course.bins)
    found = course.distribution
    return {
        "axis": {"name": course.axis, "low": course.low, "high": course.high},
        "bins": {
            "first": [each.first for each in course.bins],
            "last": [each.last for each in course.bins],
            "calls": [each.calls for each in course.bins],
            "min": [each.min_ns for each in course.bins],
            "median": [round(each.median_ns) for each in course.bins],
            "max": [each.max_ns for each in course.bins],
            "gap": [each.gap_ns for each in course.bins],
        },
        "parts": [
            {"name": plain(name, LONGEST_NAME), "ns": [each.parts.get(name, 0) for each in course.bins]}
            for name in names
        ],
        "slow": [_call(each) for each in course.slow],
        "failed": [_call(each) for each in course.failed],
        "spans": [
            {"kind": each.kind, "first": each.first, "last": each.last, "text": span_words(each)}
            for each in course.spans
        ],
        "pins": [
            {"kind": each.kind, "at": each.at, "text": plain(each.name, LONGEST_NAME)} for each in course.pins
        ],
        "distribution": found
        and {
            "edges": [_short(each) for each in found.edges_ns],
            "calls": list(found.calls),
            "marks": percentile_marks(latency),
        },
        "state": [_series(each) for each in course.state],
        "memory": [_series(each) for each in course.memory],
        "limit": course.memory_limit_bytes,
    }


def span_words(span: Span) -> str:
    """Return what a span tells: "3.20 ms, 12 % of the time there, forward"."""
    words = [] if span.ns is None else [duration(span.ns)]
    if span.share is not None:
        words.append(f"{percentage(span.share)} of the time there")
    if span.name:
        words.append(plain(span.name, LONGEST_NAME))
    return ", ".join(words)


def call_words(call: PlacedCall) -> str:
    """Return which call it is and why: "call 1,204, garbage collection"."""
    step = "" if call.step is None else f", step {count(call.step)}"
    cause = f", {plain(call.cause, LONGEST_NAME)}" if call.cause else ", no cause recorded"
    return f"call {count(call.index)}{step}{cause}"


def percentile_marks(latency: Latency | None) -> list[list[Any]]:
    """Return the names of percentiles with their latency in ns."""
    if latency is None:
        return []
    named = (("median", latency.median_ns), ("p95", latency.p95_ns), ("p99", latency.p99_ns))
    return [[name, _short(value)] for name, value in named]


def _call(call: PlacedCall) -> list[Any]:
    return [call.at, call.wall_ns, call_words(call)]


def _series(series: BinnedSeries) -> dict[str, Any]:
    spread = series.low != series.high
    return {
        "field": series.field,
        "name": series.name,
        "unit": series.unit,
        "at": list(series.at),
        "middle": [_short(each) for each in series.middle],
        "low": [_short(each) for each in series.low] if spread else None,
        "high": [_short(each) for each in series.high] if spread else None,
    }


def _short(value: float) -> float | int:
    """Return a number to seven figures, so that the page stays small."""
    if float(value).is_integer() and abs(value) < LARGEST_EXACT:
        return int(value)
    return float(f"{value:.{SIGNIFICANT}g}")
