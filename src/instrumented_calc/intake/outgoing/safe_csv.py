"""Rows as CSV that is safe for spreadsheets and terminals."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV with a header; None is an empty cell.

    Unprintable characters are written as escapes, and a cell that a spreadsheet would interpret as a formula
    gets a leading apostrophe.

    Args:
        rows: At least one, all with the same keys.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(list(rows[0]))
    writer.writerows([[safe_cell(value) for value in row.values()] for row in rows])
    return text.getvalue().encode("utf-8", "backslashreplace")


def safe_cell(value: Any) -> Any:
    """Return a value as it may stand in a cell."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line
