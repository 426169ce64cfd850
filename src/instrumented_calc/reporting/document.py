"""A report as plain data, from which text, Markdown and later formats are rendered.

All text is escaped here, so that no format can omit it: much of it comes from journals, which anyone may
have written.
"""

from __future__ import annotations

from dataclasses import dataclass

from instrumented_calc.plain_text import plain

LONGEST_CELL = 200


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of text, each a sentence or a remark."""

    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        """Make the text safe to show."""
        object.__setattr__(self, "lines", tuple(plain(line) for line in self.lines))


@dataclass(frozen=True, slots=True)
class Facts:
    """Pairs of a name and a value."""

    pairs: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        """Make the text safe to show."""
        pairs = tuple((plain(name, LONGEST_CELL), plain(value)) for name, value in self.pairs)
        object.__setattr__(self, "pairs", pairs)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the first column is text, the others are figures."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Make the text safe to show."""
        object.__setattr__(self, "headings", _cells(self.headings))
        object.__setattr__(self, "rows", tuple(_cells(row) for row in self.rows))


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Paragraph | Facts | Table, ...]

    def __post_init__(self) -> None:
        """Make the text safe to show."""
        object.__setattr__(self, "title", plain(self.title))


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        """Make the text safe to show."""
        object.__setattr__(self, "title", plain(self.title))


def _cells(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain(cell, LONGEST_CELL) for cell in cells)
