"""Sentences of a report, folded to the width of a terminal."""

from __future__ import annotations

import re
import textwrap

NARROWEST = 40  # in narrower terminals nothing is folded
# The start of a line: its indentation, and the label of a sentence in a column of its own.
START = re.compile(r"  (?=\S)(?:\S+(?: \S+)*  +(?=\S))?")
WHOLE = ("  instrumented-calc ", "  command ", "  write ")  # to be copied


def folded(text: str, width: int) -> str:
    """Fold sentences at spaces; tables, commands and code stay as they are.

    Args:
        text: A report as plain text.
        width: Of the terminal, in characters.
    """
    if width < NARROWEST:
        return text
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    start = START.match(line)
    if len(line) <= width or start is None or line.startswith(WHOLE):
        return line
    margin = start.end()
    if "  " in line[margin:] or margin > width // 2:
        return line  # the row of a table
    return textwrap.fill(
        line[margin:],
        width,
        initial_indent=line[:margin],
        subsequent_indent=" " * margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
