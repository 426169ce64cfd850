"""Lines of the closing summary: a label and a text within 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from instrumented_calc.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 80
LABEL_WIDTH = 9
TEXT_WIDTH = WIDTH - LABEL_WIDTH


def labelled(label: str, text: str) -> str:
    """Return one line, however long."""
    return f"{label:<{LABEL_WIDTH}}{plain(text)}"


def wrapped(label: str, text: str, most: int = 3, width: int = WIDTH) -> list[str]:
    """Return a text on as many lines as it needs.

    Args:
        label: What it is about; empty without one.
        text: The text.
        most: Lines after which it is cut.
        width: Columns of a line.
    """
    indent = LABEL_WIDTH if label else 0
    return textwrap.wrap(
        plain(text),
        width,
        initial_indent=f"{label:<{indent}}",
        subsequent_indent=" " * indent,
        max_lines=most,
        placeholder=" ...",
        break_on_hyphens=False,
    )


def fitting(pieces: Sequence[str], separator: str = ", ") -> str:
    """Return as many pieces as fit on one line after a label, the first ones before the others."""
    shown = ""
    for piece in filter(None, pieces):
        longer = f"{shown}{separator}{piece}" if shown else piece
        if len(longer) <= TEXT_WIDTH:
            shown = longer
    return shown or textwrap.shorten(next(iter(pieces), ""), TEXT_WIDTH, placeholder=" ...")
