"""Runs as metrics for Prometheus and others, in the OpenMetrics text format.

The format is specified at https://prometheus.io/docs/specs/om/open_metrics_spec/. Every name begins with
`instrumented_calc`, times are in seconds, and each sample carries the label `journal`.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.plain_text import plain, shown_path
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from instrumented_calc.analysis.read_run import ReadRun

PREFIX = "instrumented_calc"
LONGEST_LABEL = 200
S_NS = 1e9
# Name without prefix: type, unit, help. A unit is part of the name.
FAMILIES = {
    "run": ("info", "", "What ran"),
    "state": ("stateset", "", "How the run is"),
    "sound": ("gauge", "", "1 if the simulation is sound, 0 if it is ruined"),
    "calls": ("counter", "", "Calculations, failed ones included"),
    "failed_calls": ("counter", "", "Calculations that raised"),
    "cache_hits": ("counter", "", "Requests answered without a calculation"),
    "steps": ("counter", "", "Completed steps of the drivers"),
    "wall_seconds": ("gauge", "seconds", "Wall time from the first call to the last"),
    "simulated_ns_per_day": ("gauge", "", "Simulated time per day, ns"),
    "call_seconds": ("summary", "seconds", "Durations of the steady calls"),
    "part_seconds": ("counter", "seconds", "Wall time of each part of the run"),
    "resident_peak_bytes": ("gauge", "bytes", "Peak of the resident memory, from samples"),
    "device_allocated_peak_bytes": ("gauge", "bytes", "Peak of the device memory in tensors, from samples"),
    "processors_busy": ("gauge", "", "CPU time per wall time"),
    "finding": ("gauge", "", "1 for each rule that found something"),
    "saving_ratio": ("gauge", "ratio", "Share of the wall time that a finding would save"),
}
STATES = ("running", "ended", "failed", "killed", "unknown")


class MetricSample(NamedTuple):
    """One sample of a family.

    Attributes:
        family: Its family.
        value: The value.
        labels: Labels besides the journal.
        suffix: Of the name, as the type asks for it.
    """

    family: str
    value: float
    labels: Mapping[str, str] = MappingProxyType({})
    suffix: str = ""


def render_openmetrics(runs: Sequence[ReadRun]) -> str:
    """Return the metrics of runs, ending with `# EOF`.

    Args:
        runs: One per journal.
    """
    samples = [(shown_path(run.summary.journal.path), each) for run in runs for each in _samples(run)]
    lines = []
    for name, (kind, unit, text) in FAMILIES.items():
        ours = [(file, each) for file, each in samples if each.family == name]
        if not ours:
            continue
        lines.append(f"# TYPE {PREFIX}_{name} {kind}")
        lines += [f"# UNIT {PREFIX}_{name} {unit}"] if unit else []
        lines.append(f"# HELP {PREFIX}_{name} {text}.")
        lines += [_line(file, each) for file, each in ours]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _line(file: str, sample: MetricSample) -> str:
    labels = {"journal": file, **sample.labels}
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{PREFIX}_{sample.family}{sample.suffix}{{{shown}}} {_number(sample.value)}"


def _escaped(text: str) -> str:
    # The label with control characters as escapes first, whose backslashes are then escaped themselves.
    return plain(text, LONGEST_LABEL).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def _samples(run: ReadRun) -> Iterator[MetricSample]:
    summary = run.summary
    start = summary.journal.start
    environment = summary.journal.environment
    lanes = [each.lane for each in summary.lanes if each.lane is not None]
    about = {
        "run_id": "" if start is None else start.run_id,
        "version": "" if start is None else start.version,
        "host": environment.host or "",
        "calculator": identity.calculator_name(lanes[0]) if lanes else "",
    }
    yield MetricSample("run", 1, {name: value for name, value in about.items() if value}, "_info")
    how = summary.ending.how if summary.ending.how in STATES else "ended"
    for state in STATES:
        yield MetricSample("state", int(state == how), {f"{PREFIX}_state": state})
    if summary.evaluations.calls:
        yield MetricSample("sound", int(not summary.soundness.ruined))
    yield from _counts(run)
    yield from _times(run)
    if summary.memory is not None:
        yield MetricSample("resident_peak_bytes", summary.memory.peak_bytes)
    if summary.device_allocated is not None:
        yield MetricSample("device_allocated_peak_bytes", summary.device_allocated.peak_bytes)
    if summary.cpu_per_wall is not None:
        yield MetricSample("processors_busy", summary.cpu_per_wall)
    for each in run.findings:
        if each.verdict == "flagged":
            labels = {"rule": each.rule}
            yield MetricSample("finding", 1, {**labels, "severity": each.severity})
            if each.saving_share is not None:
                yield MetricSample("saving_ratio", each.saving_share, labels)


def _counts(run: ReadRun) -> Iterator[MetricSample]:
    known = run.summary.evaluations
    yield MetricSample("calls", known.calls, suffix="_total")
    yield MetricSample("failed_calls", known.failed, suffix="_total")
    if known.cache_hits is not None:
        yield MetricSample("cache_hits", known.cache_hits, suffix="_total")
    if run.summary.speed is not None:
        yield MetricSample("steps", run.summary.speed.steps, suffix="_total")


def _times(run: ReadRun) -> Iterator[MetricSample]:
    summary = run.summary
    if summary.wall_ns is not None:
        yield MetricSample("wall_seconds", summary.wall_ns / S_NS)
    if summary.speed is not None and summary.speed.ns_per_day is not None:
        yield MetricSample("simulated_ns_per_day", summary.speed.ns_per_day)
    if summary.latency is not None:
        found = summary.latency
        for quantile, value in (("0.5", found.median_ns), ("0.95", found.p95_ns), ("0.99", found.p99_ns)):
            yield MetricSample("call_seconds", value / S_NS, {"quantile": quantile})
        yield MetricSample("call_seconds", found.calls, suffix="_count")
        yield MetricSample("call_seconds", found.calls * found.mean_ns / S_NS, suffix="_sum")
    if summary.breakdown is not None:
        for part in summary.breakdown.parts:
            labels = {"part": part.name, "kind": part.kind}
            yield MetricSample("part_seconds", part.wall_ns / S_NS, labels, "_total")
