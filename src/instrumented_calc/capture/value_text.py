"""Formatting of arbitrary user values in a line of text."""

from __future__ import annotations

from typing import Any

LONGEST = 60


def shown(value: Any) -> str:
    """Return a value for an error message: its repr, shortened, or its type if that has none."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a repr of the user's own may raise anything
        text = ""
    if not text or len(text) > LONGEST or not text.isprintable():
        start = "".join(each for each in text[:LONGEST] if each.isprintable())
        return f"{start}... ({type(value).__name__})"
    return text
