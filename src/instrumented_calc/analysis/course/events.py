"""What happened when in a run: slow and failed calls, spans in which something slowed it, findings, marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from instrumented_calc.analysis.timing.latency import slowest_calls
from instrumented_calc.analysis.timing.processor_wait import wait_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.analysis.course.axis import Axis
    from instrumented_calc.analysis.course.latency_bins import LatencyBin
    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.timing.latency import SlowCall
    from instrumented_calc.journal.columns import Calls, Integers
    from instrumented_calc.journal.reader import Journal

SLOW_SHOWN = 40
FAILED_SHOWN = 100
SPANS_SHOWN = 100  # of each kind
MARKS_SHOWN = 50
LEAST_SLOW = 1.5  # of the median, from which a call is slow
# Share of the time from which a thread that waits for a processor is worth a span.
LEAST_WAIT = 0.05
LEAST_GC = 0.005  # of the calls' time in a bin

SpanKind = Literal["warm-up", "trace window", "profiled steps", "compilation", "GC", "waiting", "stall"]


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call on the axis of the run: a slow one, or one that failed.

    Attributes:
        at: Its position.
        index: Its number.
        step: Steps completed by the driver; None if unknown.
        wall_ns: Its duration.
        cause: What made it slow, or the class of its exception; None if unknown.
    """

    at: int
    index: int
    step: int | None
    wall_ns: int
    cause: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the run in which something took time.

    Attributes:
        kind: What.
        first: First position.
        last: Last position.
        ns: Time that it took, or None if unknown.
        share: Share of the time in the stretch; None if unknown.
        name: Details; empty: none.
    """

    kind: SpanKind
    first: int
    last: int
    ns: int | None = None
    share: float | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """A finding, a user's mark or the start of a phase at its position.

    Attributes:
        kind: `finding`, `mark` or `phase`.
        at: The position.
        name: The rule, the user's text or the driver.
    """

    kind: Literal["finding", "mark", "phase"]
    at: int
    name: str


def slow_calls(summary: Summary, axis: Axis, steady: Integers) -> list[PlacedCall]:
    """Return the slowest calls with their causes, slowest first.

    Args:
        summary: The run.
        axis: Its axis.
        steady: Rows of its steady calls.
    """
    calls = summary.journal.calls
    compiling = np.flatnonzero(calls.compiling & ~(calls.nested | calls.raised))
    rows: Integers = np.concatenate([steady, compiling]) if len(compiling) else steady
    usual = summary.latency.median_ns if summary.latency else 0.0
    return [
        _placed(each, axis)
        for each in slowest_calls(calls, rows, axis.steps, usual, SLOW_SHOWN)
        if each.wall_ns >= LEAST_SLOW * usual
    ]


def failed_calls(calls: Calls, axis: Axis) -> list[PlacedCall]:
    """Return the first failed calls, with the class of their exception.

    Args:
        calls: The rows.
        axis: The axis of the run.
    """
    rows = np.flatnonzero(calls.failed & ~calls.nested)[:FAILED_SHOWN]
    causes = dict(zip(calls.failures.rows.tolist(), calls.failures.values, strict=True))
    return [
        PlacedCall(
            at=int(axis.positions[row]),
            index=int(calls.index[row]),
            step=int(axis.steps[row]) if axis.steps[row] >= 0 else None,
            wall_ns=int(calls.wall_ns[row]),
            cause=str(causes[row]),
        )
        for row in rows.tolist()
    ]


def spans(summary: Summary, axis: Axis, steady: Integers, bins: Sequence[LatencyBin]) -> list[Span]:
    """Return all spans, in order of their kinds and positions.

    Args:
        summary: The run.
        axis: Its axis.
        steady: Rows of its steady calls.
        bins: Its latency, for garbage collection.
    """
    journal = summary.journal
    kinds = (
        _warmup(summary, axis, steady),
        _windows(journal, axis),
        _marked(journal.calls, axis, "profiled", "profiled steps"),
        _compilations(journal.calls, axis),
        _collections(bins),
        _waiting(journal, axis),
        _stalls(journal, axis),
    )
    return [span for found in kinds for span in _few(found)]


def pins(summary: Summary, findings: Iterable[RuleFinding], axis: Axis) -> list[Pin]:
    """Return the findings that have a position, the user's marks, and the phases if there are several.

    Args:
        summary: The run.
        findings: Its findings.
        axis: Its axis.
    """
    journal = summary.journal
    found = []
    for each in findings:
        at = finding_place(each, summary, axis) if each.verdict == "flagged" else None
        if at is not None:
            found.append(Pin("finding", at, each.rule))
    marks = [each for each in journal.notices if each.kind == "mark" and isinstance(each.time_ns, int)]
    found += [
        Pin("mark", axis.at_time(each.time_ns), each.text)
        for each in marks[:MARKS_SHOWN]
        if isinstance(each.time_ns, int)
    ]
    if len(journal.phases) > 1:
        for _, phase in sorted(journal.phases.items())[:MARKS_SHOWN]:
            at = axis.of_call(journal.calls, phase.index)
            if at is not None:
                found.append(Pin("phase", at, phase.driver.rpartition(".")[2]))
    return found


def finding_place(finding: RuleFinding, summary: Summary, axis: Axis) -> int | None:
    """Return where on the axis a finding begins, or None if it concerns the whole run.

    Args:
        finding: The finding.
        summary: The run.
        axis: Its axis.
    """
    journal = summary.journal
    check = summary.soundness.of(finding.rule)
    if check is not None and check.since is not None:
        return axis.of_call(journal.calls, check.since.call)
    first = finding.numbers.get("first_call")
    if isinstance(first, int):
        return axis.of_call(journal.calls, first)
    times = [each.time_ns for each in journal.findings if each.rule == finding.rule]
    return axis.at_time(min(times)) if times else None


def _placed(slow: SlowCall, axis: Axis) -> PlacedCall:
    at = slow.step if axis.name == "step" and slow.step is not None else slow.index
    return PlacedCall(at, slow.index, slow.step, slow.wall_ns, slow.cause)


def _few(found: list[Span]) -> list[Span]:
    """Return spans of one kind; of very many, neighbours are one span."""
    together = -(-len(found) // SPANS_SHOWN)
    if together <= 1:
        return found
    groups = [found[at : at + together] for at in range(0, len(found), together)]
    return [
        Span(
            each[0].kind,
            min(span.first for span in each),
            max(span.last for span in each),
            None if any(span.ns is None for span in each) else sum(span.ns or 0 for span in each),
            name=f"{len(each)} times",
        )
        for each in groups
    ]


def _warmup(summary: Summary, axis: Axis, steady: Integers) -> list[Span]:
    warmup = summary.warmup
    if warmup is None:
        return []
    last = int(axis.positions[steady[0]]) if len(steady) else axis.high
    return [Span("warm-up", axis.low, max(last - 1, axis.low), warmup.wall_ns)]


def _windows(journal: Journal, axis: Axis) -> list[Span]:
    found = []
    for each in journal.traces:
        first = axis.of_call(journal.calls, each.index)
        last = axis.of_call(journal.calls, each.index + max(each.calls - 1, 0))
        if first is not None:
            found.append(Span("trace window", first, last or first, each.wall_ns, name=each.tracer))
    return found


def _marked(calls: Calls, axis: Axis, field: str, kind: SpanKind) -> list[Span]:
    """Return the rows that have a field, adjacent ones as one span."""
    sparse = calls.sparse.get(field)
    if sparse is None or not len(sparse):
        return []
    breaks = np.flatnonzero(np.diff(sparse.rows) > 1) + 1
    return [
        Span(
            kind,
            int(axis.positions[rows].min()),
            int(axis.positions[rows].max()),
            int(calls.wall_ns[rows].sum(dtype=np.int64)),
        )
        for rows in np.split(sparse.rows, breaks)
    ]


def _compilations(calls: Calls, axis: Axis) -> list[Span]:
    found = []
    for row, times in zip(calls.compiled.rows.tolist(), calls.compiled.values, strict=True):
        at = int(axis.positions[row])
        found.append(Span("compilation", at, at, sum(times.values()), name=", ".join(times)))
    return found


def _collections(bins: Sequence[LatencyBin]) -> list[Span]:
    """Return the bins in which garbage collection took a notable share, adjacent ones as one span."""
    found: list[Span] = []
    wall = 0
    for each in bins:
        if each.gc_ns < LEAST_GC * each.wall_ns or not each.gc_ns:
            continue
        before = found[-1] if found else None
        if before is not None and before.last + 1 == each.first:
            wall += each.wall_ns
            ns = (before.ns or 0) + each.gc_ns
            found[-1] = Span("GC", before.first, each.last, ns, ns / wall)
        else:
            wall = each.wall_ns
            found.append(Span("GC", each.first, each.last, each.gc_ns, each.gc_ns / wall))
    return found


def _waiting(journal: Journal, axis: Axis) -> list[Span]:
    found: list[Span] = []
    length = 0
    for each in wait_spans(journal.machines):
        if each.share < LEAST_WAIT:
            continue
        first, last = axis.at_time(each.begin_ns), axis.at_time(each.end_ns)
        waited = round(each.share * (each.end_ns - each.begin_ns))
        before = found[-1] if found else None
        if before is not None and before.last >= first - 1:
            length += each.end_ns - each.begin_ns
            ns = (before.ns or 0) + waited
            found[-1] = Span("waiting", before.first, last, ns, ns / length)
        else:
            length = each.end_ns - each.begin_ns
            found.append(Span("waiting", first, last, waited, each.share))
    return found


def _stalls(journal: Journal, axis: Axis) -> list[Span]:
    stalls = [each for each in journal.notices if each.kind == "stall"]
    return [
        Span("stall", at, at, name=each.text)
        for each in stalls
        if isinstance(each.time_ns, int)
        for at in (axis.at_time(each.time_ns),)
    ]
