"""The requests of a call as plain text: names that any journal can store, whatever the caller passed."""

from __future__ import annotations

from typing import Any

from instrumented_calc.foreign import is_foreign


def plain_text(text: str) -> str:
    """Return text that UTF-8 can encode: lone surrogates, as in undecodable file names, are escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def plain_names(names: Any) -> Any:
    """Return names that stay the same even if the caller changes the list.

    Args:
        names: The value passed as `properties` or `system_changes`.

    Returns:
        A list, tuple, frozenset or string equal to the one passed; a list of text for an array and the like;
        None if it has no names or cannot be read. An iterator is not consumed.
    """
    try:
        return _names(names)
    except Exception as error:
        if is_foreign(error):
            raise
        return None


def _names(names: Any) -> Any:
    if names is None or type(names) is bool:
        return None
    if isinstance(names, str):
        return plain_text(names)
    if isinstance(names, (list, tuple, dict)):
        return [_plain(name) for name in names]
    if isinstance(names, (set, frozenset)):
        return frozenset(_plain(name) for name in names)
    if hasattr(type(names), "tolist"):
        return _names(names.tolist())
    return None


def _plain(name: Any) -> str:
    try:
        return plain_text(name if type(name) is str else str(name))
    except Exception as error:
        if is_foreign(error):
            raise
        return f"<{plain_text(type(name).__qualname__)}>"
