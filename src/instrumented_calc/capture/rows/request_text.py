"""What a call was asked for, as plain text: names that any journal can hold, whatever the caller passed."""

from __future__ import annotations

from typing import Any


def plain_text(text: str) -> str:
    """Return text that UTF-8 can encode: lone surrogates, as in names of undecodable files, are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def plain_names(names: Any) -> Any:
    """Return names that stay as they are, whatever their owner does with his list.

    Args:
        names: What was passed as `properties` or `system_changes`.

    Returns:
        A list, tuple, frozenset or string that equals what was passed, where that is usual; a list of text
        for an array and the like; None where it has no names. An iterator is not consumed.
    """
    if names is None or type(names) is bool:
        return None
    if isinstance(names, str):
        return plain_text(names)
    if isinstance(names, (list, tuple, dict)):
        return [_plain(name) for name in names]
    if isinstance(names, (set, frozenset)):
        return frozenset(_plain(name) for name in names)
    if hasattr(type(names), "tolist"):
        return plain_names(names.tolist())
    return None


def _plain(name: Any) -> str:
    return plain_text(name if type(name) is str else str(name))
