"""Bounds memory while reading: compressed bundles are small, but their contents may be unlimited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.errors import IntakeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

MIB = 2**20
# For all content kept until the report is written. A row of a table takes 1 to 2 kB with derived data, so
# this is some 20,000 runs.
KEPT_BYTES = 40 * MIB
ROW_BYTES = 2_000
LONGEST_LINE = 64 * 1024
# Sizes of CPython 3.10 to 3.13 on 64 bits: a small dict, a list, a reference with a number, a string header.
DICT_BYTES, LIST_BYTES, ITEM_BYTES, TEXT_BYTES = 240, 64, 40, 56


class Room:
    """The remaining memory budget.

    Args:
        size_bytes: Size of the budget.
    """

    def __init__(self, size_bytes: int = KEPT_BYTES) -> None:
        self._left = size_bytes

    def take(self, size_bytes: int) -> bool:
        """Reserve memory if available; return whether it was."""
        if size_bytes > self._left:
            return False
        self._left -= size_bytes
        return True


def json_bytes(content: bytes) -> int:
    """Return an upper estimate of the memory of decoded JSON.

    Args:
        content: The JSON. A text with one character beyond the basic plane takes four bytes for each.
    """
    return (
        5 * len(content)
        + DICT_BYTES * content.count(b"{")
        + LIST_BYTES * content.count(b"[")
        + ITEM_BYTES * content.count(b",")
        + TEXT_BYTES * content.count(b'"') // 2
    )


def bounded_lines(file: BinaryIO, most: int = LONGEST_LINE) -> Iterator[bytes]:
    """Yield a file's lines, each at most `most` bytes long.

    Args:
        file: Opened for reading, binary.
        most: Line length that ends the reading.

    Raises:
        IntakeError: A line is longer.
    """
    while line := file.readline(most + 1):
        if len(line) > most:
            message = f"a line of more than {most:,} bytes"
            raise IntakeError(message)
        yield line
