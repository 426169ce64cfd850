"""Sections on the inside of calls: compilation, the device and the integration's counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, duration, figures, plural, time_unit
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.timing.counts import Count
    from instrumented_calc.analysis.timing.device import DeviceUse

CALLS_NAMED = 10


def compilation_section(summary: Summary) -> Section | None:
    """Return the compiled functions, their times and calls, or None if nothing compiled."""
    found, wall = summary.compilation, summary.wall_ns
    if found is None or not wall:
        return None
    times = {**found.functions, "all": found.compile_ns}
    size, unit = time_unit(times.values())
    rows = tuple(
        (identity.one_line(name), figures(time / size), f"{100 * time / wall:.1f}")
        for name, time in times.items()
    )
    where = f"In {_calls_named(found.calls)}, of {duration(found.calls_ns)} in all"
    remarks = [f"{where}: kept out of latency and warm-up, but part of the calculator's time below."]
    if summary.journal.slices:
        remarks.append("Some rows were thinned; they may include calls that compiled.")
    return Section("Compilation", (Table(("compiled", unit, "% of wall"), rows), Paragraph(tuple(remarks))))


def _calls_named(indices: list[int]) -> str:
    """Name calls: call 0; calls 0 and 1; calls 0, 1 and 7; calls 0, 1, ... and 12 more."""
    shown = [count(index) for index in indices[:CALLS_NAMED]]
    if rest := len(indices) - len(shown):
        return f"calls {', '.join(shown)} and {count(rest)} more"
    *first, last = shown
    return f"calls {', '.join(first)} and {last}" if first else f"call {last}"


def device_section(device: DeviceUse | None) -> Section | None:
    """Return the times in the device's stream, or None if they were not measured."""
    if device is None:
        return None
    times = dict(device.stream_ns)
    if device.rest_ns is not None:
        times["rest of the wall time"] = device.rest_ns
    size, unit = time_unit([time / device.calls for time in times.values()])
    rows = tuple(
        (
            identity.one_line(name),
            figures(time / device.calls / size),
            f"{100 * time / device.wall_ns:.1f}" if device.wall_ns else "-",
        )
        for name, time in times.items()
    )
    table = Table(("in the stream", f"{unit} per call", "% of calls"), rows)
    return Section("Device", (table, Paragraph(_device_remarks(device))))


def _device_remarks(device: DeviceUse) -> tuple[str, ...]:
    measured = (
        f"{plural(device.calls, 'steady call')} with device times: between the beginning and end of each"
        " component in the stream, by the device's clock."
    )
    gaps = (
        "Gaps in which the device waited for the host are included; trace windows have the kernels' own time."
    )
    if device.rest_ns is None:
        return measured, gaps, "Components ran concurrently: the rest of the wall time is unknown."
    return measured, gaps


def counts_section(counts: list[Count]) -> Section | None:
    """Return the integration's counts, or None if it has none."""
    rows = tuple(
        (
            identity.one_line(each.name),
            count(each.total),
            figures(each.mean),
            count(each.min),
            count(each.max),
            count(each.calls),
        )
        for each in counts
    )
    if not rows:
        return None
    return Section("Counts", (Table(("counted", "total", "mean per call", "min", "max", "calls"), rows),))
