"""The section on trace windows: the operations inside the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.contractions.traces import device_ns, host_ns
from instrumented_calc.quantities import count, duration, figures, percent, plural, time_unit
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions.traces import Operation, TraceUse

COMPONENTS_SHOWN = 8
OPERATIONS_SHOWN = 5  # of each component
LEAST_SHARE = 0.005  # of the calls' time; smaller entries are not listed
LONGEST_NAME = 72
NO_COMPONENT = "(no component)"


def traces_section(use: TraceUse | None) -> Section | None:
    """Return the operations in trace windows, or None if there was none."""
    if use is None:
        return None
    table = _table(use)
    blocks = (table, Paragraph(_remarks(use))) if table.rows else (Paragraph(_remarks(use)),)
    return Section("Trace windows", blocks)


def _table(use: TraceUse) -> Table:
    with_device = use.device_busy_ns is not None
    rows: list[tuple[str, int, int, int]] = []
    for component, operations in list(use.by_component().items())[:COMPONENTS_SHOWN]:
        name = identity.one_line(component) or NO_COMPONENT
        rows.append((name, 0, host_ns(operations), device_ns(operations)))
        rows += [
            (_words(each), each.calls, each.self_ns or 0, each.device_ns or 0)
            for each in operations[:OPERATIONS_SHOWN]
            if max(each.self_ns or 0, each.device_ns or 0) >= LEAST_SHARE * use.wall_ns
        ]
    size, unit = time_unit([own / use.calls for _, _, own, _ in rows])
    headings = ("component, operation", "per call", f"host, {unit} per call", "% of calls")
    cells = [
        (
            name,
            figures(calls / use.calls) if calls else "",
            figures(own / use.calls / size),
            f"{100 * own / use.wall_ns:.1f}" if use.wall_ns else "-",
            figures(device / use.calls / size) if device else "-",
        )
        for name, calls, own, device in rows
    ]
    if with_device:
        return Table((*headings, f"device, {unit} per call"), tuple(cells))
    return Table(headings, tuple(row[:-1] for row in cells))


def _words(each: Operation) -> str:
    text = f"- {identity.one_line(f'{each.name} {each.shapes}')}"
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 3]}..."


def _remarks(use: TraceUse) -> tuple[str, ...]:
    names = " and ".join(sorted({identity.one_line(each.tracer) for each in use.windows}))
    seen = f"{plural(len(use.windows), 'window')} of {names}, {plural(use.calls, 'call')} in all"
    lines = [f"{seen}: exclusive host times."]
    if use.extra_ns is not None:
        lines.append(
            f"These calls are excluded from latency and warm-up; traced, they took {duration(use.wall_ns)},"
            f" {_extra(use.extra_ns)} as many median calls."
        )
    lines.append(f"The profiler itself took {duration(use.profiler_ns)}, outside all calls.")
    if use.launches is not None and use.device_busy_ns is not None and use.wall_ns:
        lines.append(
            f"Device busy {percent(use.device_busy_ns / use.wall_ns)} of the time of these calls,"
            f" {figures(use.launches / use.calls)} kernels and copies per call."
        )
    for each in use.windows:
        where = f"Window {each.window}: {plural(each.calls, 'call')} from call {count(each.index)}"
        file = f", {identity.one_line(each.file)}" if isinstance(each.file, str) else ""
        lines.append(f"{where}, profiler {duration(each.profiler_ns)}{file}.")
    return tuple(lines)


def _extra(extra_ns: float) -> str:
    return f"{duration(extra_ns)} longer than" if extra_ns > 0 else "no longer than"
