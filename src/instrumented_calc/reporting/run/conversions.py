"""The section on conversions: sources, targets, counts, times and conversions inside einsums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import bytes_of, count, duration, figures, percent, time_unit
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions.conversions import ConversionTotals, ConversionUse, Promotion

ROWS_SHOWN = 20


def conversions_section(found: ConversionTotals | None) -> Section | None:
    """Return the tables of conversions and promotions, or None if there were none."""
    if found is None:
        return None
    blocks: list[Table | Paragraph] = []
    if found.rows:
        blocks += [_conversions(found.rows[:ROWS_SHOWN]), Paragraph(_remarks(found))]
    if found.promotions:
        blocks += [_promotions(found.promotions[:ROWS_SHOWN]), Paragraph((PROMOTED,))]
    return Section("Conversions and copies", tuple(blocks)) if blocks else None


PROMOTED = "Operands of several dtypes are converted inside every such contraction; use one dtype."


def _conversions(rows: tuple[ConversionUse, ...]) -> Table:
    size, unit = time_unit([row.ns / row.calls for row in rows if row.calls])
    headings = ("conversion", "called in", "calls", f"{unit} per call", "% of calculate()", "data")
    return Table(
        headings,
        tuple(
            (
                identity.one_line(_words(row)),
                identity.one_line(row.component) or "-",
                count(row.calls),
                figures(row.ns / row.calls / size) if row.calls else "-",
                "-" if row.share is None else f"{100 * row.share:.1f}",
                bytes_of(row.bytes) if row.bytes else "-",
            )
            for row in rows
        ),
    )


def _words(row: ConversionUse) -> str:
    """Name a conversion, as in cast: float32@cpu -> float64@cpu."""
    return f"{row.kind}: {row.source} -> {row.target}" if row.target else f"{row.kind}: {row.source}"


def _remarks(found: ConversionTotals) -> tuple[str, ...]:
    spent = sum(row.ns for row in found.rows)
    total = f"{duration(spent)} in conversions, copies and waits"
    if found.share is not None:
        total += f": {percent(found.share)} of {duration(found.calculated_ns)} in calculate()"
    lines = [f"{total}. Host times."]
    if rest := found.rows[ROWS_SHOWN:]:
        lines.append(
            f"{count(len(rest))} other kinds with {count(sum(row.calls for row in rest))} calls not shown."
        )
    if found.unseen:
        names = ", ".join(found.unseen)
        lines.append(f"Not counted because torch.compile is in use: torch's {identity.one_line(names)}.")
    return tuple(lines)


def _promotions(promotions: tuple[Promotion, ...]) -> Table:
    rows = tuple(
        (
            identity.one_line(f"{each.equation}  {' '.join(each.dtypes)}"),
            each.library,
            identity.one_line(each.component) or "-",
            each.target or "-",
            count(each.seen),
        )
        for each in promotions
    )
    return Table(("contraction of several dtypes", "by", "called in", "computed in", "calls inspected"), rows)
