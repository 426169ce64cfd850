"""A series as one line of text."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
ASCII = "_.,-~=+#"
# Labels of the rows of a summary that have such a line.
LATENCY, MEMORY = "latency", "growth"
_DRAWN = re.compile(rf"^(?:{LATENCY}|{MEMORY}) +([{re.escape(ASCII)}]+)(?= )", re.MULTILINE)
# The top of the line is at least this much above its bottom, so that noise does not look like a change.
LEAST_RANGE = 0.5


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """Return one character per value, from the lowest mark for the smallest to the highest for the largest.

    Args:
        values: The series; None leaves a space.
        width: Characters at most; more values are combined, the largest of neighbours wins.
        ascii_only: Whether to draw with ASCII characters.
    """
    shown = _combined(values, width)
    known = [value for value in shown if value is not None and math.isfinite(value)]
    if not known:
        return ""
    low = min(known)
    high = max(*known, low + LEAST_RANGE * abs(low))
    marks = ASCII if ascii_only else BLOCKS
    return "".join(" " if value is None else _mark(value, low, high, marks) for value in shown)


def _combined(values: Sequence[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    borders = [len(values) * place // width for place in range(width + 1)]
    groups = [[value for value in values[a:b] if value is not None] for a, b in pairwise(borders)]
    return [max(group, default=None) for group in groups]


def _mark(value: float, low: float, high: float, marks: str) -> str:
    if not math.isfinite(value):
        return "!"
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0  # halves do not overflow
    return marks[min(int(share * len(marks)), len(marks) - 1)]


def with_blocks(text: str, encoding: str | None) -> str:
    """Return a text whose lines over time are drawn with blocks, if they can be written."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text
    table = str.maketrans(ASCII, BLOCKS)
    return _DRAWN.sub(lambda found: found[0].replace(found[1], found[1].translate(table)), text)
