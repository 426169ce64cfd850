"""A report as Markdown with pipe tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Facts, Paragraph, Table

if TYPE_CHECKING:
    from instrumented_calc.reporting.document import Document


def render_markdown(document: Document) -> str:
    """Return the report as Markdown, ending with a newline."""
    parts = [f"# {_escaped(document.title)}"]
    for section in document.sections:
        parts.append(f"## {_escaped(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Paragraph | Facts | Table) -> str:
    if isinstance(block, Paragraph):
        return "\n".join(f"- {_escaped(line)}" for line in block.lines)
    if isinstance(block, Facts):
        return "\n".join(f"- {_escaped(name)}: {_escaped(value)}" for name, value in block.pairs)
    rule = ("---", *("---:" for _ in block.headings[1:]))
    rows = [block.headings, rule, *block.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _cell(text: str) -> str:
    return text if set(text) <= {"-", ":"} else _escaped(text)


def _escaped(text: str) -> str:
    """Escape markup: tables, emphasis, tags, links, images, entities, formulas."""
    for mark in "\\`*_<|[&~$":
        text = text.replace(mark, "\\" + mark)
    # Viewers also turn bare addresses into links.
    text = text.replace("://", ":\\//").replace("www.", "www\\.")
    return f"\\{text}" if text.startswith("#") else text
