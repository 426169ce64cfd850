"""Operands as records describe them: `dtype[shape]`, with `@device` if they are not on the host."""

from __future__ import annotations

import math
import re

from instrumented_calc.journal.records import LARGEST

MOST_AXES, LONGEST_SIZE = 64, 19  # NumPy's maximum of axes; digits of 2^62
OPERAND = re.compile(r"(?P<dtype>[\w.]+)\[(?P<shape>[\d,]*)\](?:@(?P<device>\S+))?")


def operand_text(dtype: str, shape: tuple[int, ...]) -> str:
    """Return the text of an operand on the host."""
    return f"{dtype}[{','.join(map(str, shape))}]"


def shape_of(operand: str) -> tuple[int, ...] | None:
    """Return the shape in `dtype[shape]`, or None if it has none."""
    found = OPERAND.fullmatch(operand)
    if found is None:
        return None
    return sizes_of(found["shape"])


def sizes_of(text: str) -> tuple[int, ...] | None:
    """Return the sizes in `2,3`, or None if an array of that shape cannot exist."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if len(words) > MOST_AXES or not all(word.isdecimal() and len(word) <= LONGEST_SIZE for word in words):
        return None
    sizes = tuple(map(int, words))
    return sizes if math.prod(max(size, 1) for size in sizes) <= LARGEST else None


def dtype_of(operand: str) -> str | None:
    """Return the dtype in `dtype[shape]`, or None if it has none."""
    found = OPERAND.fullmatch(operand)
    return None if found is None else found["dtype"]
