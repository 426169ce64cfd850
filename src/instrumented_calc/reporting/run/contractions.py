"""The section on contractions: equations, operands, calls, times and possible savings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, duration, figures, percent, plural, time_unit
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions.contractions import (
        ContractionTotals,
        ContractionUse,
        Signature,
    )
    from instrumented_calc.analysis.contractions.gemms import Gemm
    from instrumented_calc.analysis.contractions.jax_modules import ModuleWork

ROWS_SHOWN = 20
SPLIT_SHOWN = 10
GEMM_REMARK = "Matrix products in trace windows: device time where it was measured, otherwise host time."


def contractions_section(found: ContractionTotals | None, gemms: tuple[Gemm, ...] = ()) -> Section | None:
    """Return the contraction tables, or None if no contractions are known.

    Args:
        found: The counted contractions.
        gemms: Matrix products in trace windows.
    """
    blocks: list[Table | Paragraph] = []
    if found is not None and found.rows:
        blocks += [_equations(found), Paragraph(_remarks(found)), _operands(found)]
        blocks += [_modules(found.modules)] if found.modules else []
    if gemms:
        blocks += [_gemms(gemms), Paragraph((GEMM_REMARK,))]
    return Section("Contractions", tuple(blocks)) if blocks else None


def _equations(found: ContractionTotals) -> Table:
    size, unit = time_unit([row.ns / row.calls for row in found.rows if row.ns is not None and row.calls])
    headings = (
        "equation",
        "by",
        "called in",
        "calls",
        "per step",
        f"{unit} per call",
        "% of calculate()",
        "at most",
        "GFLOP/s",
    )
    rows = tuple(
        (
            _equation(row),
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


def _equation(row: ContractionUse) -> str:
    of = f" of {row.einsum}" if row.einsum not in ("", row.equation) else ""
    return identity.one_line(row.equation + of) + (" optimize" if row.optimize else "")


def _share(row: ContractionUse) -> str:
    """Return a share, with its standard error if it is an estimate."""
    if row.share is None or row.ns is None:
        return "-"
    if row.exact:
        return f"{100 * row.share:.1f}"
    if math.isinf(row.error_ns) or not row.ns:
        return f"~{100 * row.share:.1f}"
    return f"{100 * row.share:.1f} +-{100 * row.share * row.error_ns / row.ns:.2g}"


def _remarks(found: ContractionTotals) -> tuple[str, ...]:
    total = f"{plural(found.calls, 'contraction')} in {duration(found.calculated_ns)} of calculate()"
    if found.share is not None:
        total += f": {percent(found.share)} of it"
    lines = [total + "."]
    if rest := found.rows[ROWS_SHOWN:]:
        calls = sum(row.calls for row in rest)
        lines.append(f"{plural(len(rest), 'other equation')} with {plural(calls, 'call')} not shown.")
    lines.append("At most: how much faster calculate() would be without the equation (Amdahl's ceiling).")
    if any(not row.exact for row in found.rows):
        lines.append(
            "Calls are exact. +- is the standard error of a time that was measured on one call in 16."
        )
    if any(row.ns is None for row in found.rows):
        lines.append("Without a time: counted in the compiled function; a trace window times it.")
    if any("@" in operand for row in found.rows for each in row.signatures for operand in each.operands):
        lines.append("Host times: on a device the work itself may continue after the call.")
    return tuple(lines)


def _operands(found: ContractionTotals) -> Table:
    pairs = [(row, each) for row in found.rows for each in row.signatures]
    pairs.sort(key=lambda pair: (-(pair[1].ns or 0), -_work(pair[1])))
    shown = pairs[:SPLIT_SHOWN]
    size, unit = time_unit([each.ns / each.calls for _, each in shown if each.ns is not None and each.calls])
    headings = ("operands", "calls", f"{unit} per call", "MACs", "GFLOP/s", "first seen at")
    return Table(headings, tuple(_operands_row(row, each, size) for row, each in shown))


def _work(each: Signature) -> float:
    return each.calls * (each.arithmetic.macs if each.arithmetic else 1)


def _operands_row(row: ContractionUse, each: Signature, size: float) -> tuple[str, ...]:
    calls = count(round(each.calls))
    return (
        identity.one_line(f"{row.equation}  {' '.join(each.operands)}"),
        calls if each.exact else f"~{calls}",
        "-" if each.ns is None or not each.calls else figures(each.ns / each.calls / size),
        "-" if each.arithmetic is None else count(each.arithmetic.macs),
        "-" if each.gflops is None else figures(each.gflops),
        identity.one_line(each.line) or "-",
    )


def _modules(modules: tuple[ModuleWork, ...]) -> Table:
    """Return the contractions of the modules of a JAX model, with the modules' total time if traced."""
    shown = sorted(modules, key=lambda module: (-(module.ns or 0), -(module.flops or 0)))[:SPLIT_SHOWN]
    size, unit = time_unit([module.ns for module in shown])
    rows = tuple(
        (
            identity.one_line(module.scope) or "-",
            identity.one_line(" ".join(module.einsums)) or "-",
            figures(module.contractions),
            "-" if module.macs is None else count(round(module.macs)),
            "-" if module.ns is None else figures(module.ns / size),
        )
        for module in shown
    )
    headings = (
        "JAX module",
        "einsums",
        "contractions per call",
        "MACs per call",
        f"{unit} per call, when traced",
    )
    return Table(headings, rows)


def _gemms(gemms: tuple[Gemm, ...]) -> Table:
    """Return the matrix products of trace windows, by their shapes."""
    shown = gemms[:SPLIT_SHOWN]
    times = [each.ns if each.device_ns is None else each.device_ns for each in shown]
    size, unit = time_unit(times)
    rows = tuple(
        (
            f"{each.operation.removeprefix('aten::')}  {identity.one_line(each.shapes)}",
            identity.one_line(each.component) or "-",
            figures(each.per_call),
            "-" if time is None else figures(time / size),
            "-" if each.share is None else f"{100 * each.share:.1f}",
            count(each.macs),
            "-" if each.gflops is None else figures(each.gflops),
        )
        for each, time in zip(shown, times, strict=True)
    )
    headings = ("product", "in", "per call", f"{unit} per product", "% of traced calls", "MACs", "GFLOP/s")
    return Table(headings, rows)
