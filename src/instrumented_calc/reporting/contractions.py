"""The section on contractions: which equation, on what, how often, how long, and what could be won."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from instrumented_calc.reporting import identity
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.quantities import count, duration, figures, percent, plural, time_unit

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions import Contraction, Contractions, Signature

ROWS_SHOWN = 20
SPLIT_SHOWN = 10


def contractions_section(found: Contractions | None) -> Section | None:
    """Return the contraction tables, None where nothing was recorded."""
    if found is None or not found.rows:
        return None
    return Section("Contractions", (_equations(found), Paragraph(_remarks(found)), _operands(found)))


def _equations(found: Contractions) -> Table:
    size, unit = time_unit([row.ns / row.calls for row in found.rows if row.ns is not None and row.calls])
    headings = (
        "equation",
        "by",
        "called in",
        "calls",
        "per step",
        f"{unit} a call",
        "% of calculate()",
        "at most",
        "GFLOP/s",
    )
    rows = tuple(
        (
            identity.one_line(row.equation) + (" optimize" if row.optimize else ""),
            row.library,
            identity.one_line(row.component) or "-",
            count(row.calls),
            figures(row.calls / found.steps) if found.steps else "-",
            "-" if row.ns is None or not row.calls else figures(row.ns / row.calls / size),
            _share(row),
            "-" if row.ceiling is None or math.isinf(row.ceiling) else f"{row.ceiling:.2f}x",
            "-" if row.gflops is None else figures(row.gflops),
        )
        for row in found.rows[:ROWS_SHOWN]
    )
    return Table(headings, rows)


def _share(row: Contraction) -> str:
    """Return a share, with its standard error where it is an estimate."""
    if row.share is None or row.ns is None:
        return "-"
    if row.exact:
        return f"{100 * row.share:.1f}"
    if math.isinf(row.error_ns) or not row.ns:
        return f"~{100 * row.share:.1f}"
    return f"{100 * row.share:.1f} +-{100 * row.share * row.error_ns / row.ns:.2g}"


def _remarks(found: Contractions) -> tuple[str, ...]:
    total = f"{plural(found.calls, 'contraction')} in {duration(found.calculated_ns)} of calculate()"
    if found.share is not None:
        total += f": {percent(found.share)} of it"
    lines = [total + "."]
    if rest := found.rows[ROWS_SHOWN:]:
        calls = sum(row.calls for row in rest)
        lines.append(f"{plural(len(rest), 'other equation')} with {plural(calls, 'call')} not shown.")
    lines.append("At most: how much faster calculate() would be without the equation (Amdahl's ceiling).")
    if any(not row.exact for row in found.rows):
        lines.append("Calls are exact. +- is the standard error of a time that was taken of one call in 16.")
    if any(row.ns is None for row in found.rows):
        lines.append("Without a time: counted in the compiled function; a trace window times it.")
    if any("@" in operand for row in found.rows for each in row.signatures for operand in each.operands):
        lines.append("Times are the host's: on a device the work itself may go on after the call.")
    return tuple(lines)


def _operands(found: Contractions) -> Table:
    pairs = [(row, each) for row in found.rows for each in row.signatures]
    pairs.sort(key=lambda pair: (-(pair[1].ns or 0), -pair[1].calls))
    shown = pairs[:SPLIT_SHOWN]
    size, unit = time_unit([each.ns / each.calls for _, each in shown if each.ns is not None and each.calls])
    headings = ("operands", "calls", f"{unit} a call", "MACs", "GFLOP/s", "first seen at")
    return Table(headings, tuple(_operands_row(row, each, size) for row, each in shown))


def _operands_row(row: Contraction, each: Signature, size: float) -> tuple[str, ...]:
    calls = count(round(each.calls))
    return (
        identity.one_line(f"{row.equation}  {' '.join(each.operands)}"),
        calls if each.exact else f"~{calls}",
        "-" if each.ns is None or not each.calls else figures(each.ns / each.calls / size),
        "-" if each.arithmetic is None else count(each.arithmetic.macs),
        "-" if each.gflops is None else figures(each.gflops),
        identity.one_line(each.line) or "-",
    )
