"""A report as aligned plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Facts, Paragraph, Table

if TYPE_CHECKING:
    from instrumented_calc.reporting.document import Document, Section


def render_text(document: Document) -> str:
    """Return the report as plain text, ending with a newline."""
    parts = [document.title, *(_section(section) for section in document.sections)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    blocks = "\n\n".join(_block(block) for block in section.blocks)
    return f"{section.title}\n{blocks}"


def _block(block: Paragraph | Facts | Table) -> str:
    if isinstance(block, Paragraph):
        lines = list(block.lines)
    elif isinstance(block, Facts):
        width = max((len(name) for name, _ in block.pairs), default=0)
        lines = [f"{name:<{width}}  {value}" for name, value in block.pairs]
    else:
        lines = table_lines(block)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def table_lines(table: Table) -> list[str]:
    """Return a table as aligned lines.

    Args:
        table: Its first column is text, the others are figures.
    """
    rows = [table.headings, *table.rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.headings))]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
