"""Search the lines of a block of bytes without a Python loop over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.journal.lines import CALL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Integers, Mask

WORD_BYTES = 8


def stands_at(text: NDArray[np.uint8], places: Integers, wanted: bytes) -> Mask:
    """Return at which places of a text some bytes stand.

    Args:
        text: The text, contiguous.
        places: Offsets in it, also beyond its end.
        wanted: From 8 to 16 bytes.
    """
    beyond = len(wanted) - WORD_BYTES
    last = len(text) - len(wanted)
    if last < 0:
        return np.zeros(len(places), np.bool_)
    # One integer per offset: two comparisons of these are cheaper than one of each byte.
    words = np.ndarray(len(text) - WORD_BYTES + 1, "<u8", text.data, 0, (1,))
    first, second = np.frombuffer(wanted[:WORD_BYTES] + wanted[beyond:], "<u8")
    inside = np.minimum(places, last)
    found: Mask = (words[inside] == first) & (words[inside + beyond] == second) & (places <= last)
    return found


def separated(chunk: bytes) -> tuple[bytes, list[tuple[int, bytes]], int]:
    """Separate the `call` lines of a chunk from the others.

    Args:
        chunk: Whole lines, each with its newline.

    Returns:
        The `call` lines together, the others without their newlines, each with its number from 0, and the
        number of all lines.
    """
    text = np.frombuffer(chunk, np.uint8)
    ends = np.flatnonzero(text == ord("\n")) + 1
    begins = np.concatenate([[0], ends[:-1]])
    others = np.flatnonzero(~stands_at(text, begins, CALL))
    if not len(others):
        return chunk, [], len(ends)
    rows, lines, at = [], [], 0
    for number in others.tolist():
        begin, end = int(begins[number]), int(ends[number])
        rows.append(chunk[at:begin])
        lines.append((number, chunk[begin : end - 1]))
        at = end
    return b"".join([*rows, chunk[at:]]), lines, len(ends)
