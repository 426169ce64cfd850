"""Values of any kind from a file, reduced to safe types."""

from __future__ import annotations

from typing import Any

from instrumented_calc.journal.records import LARGEST

DEEPEST = 6


def tame(value: Any, depth: int = DEEPEST) -> Any:
    """Return a decoded JSON value without parts that overflow arithmetic or recursion.

    Args:
        value: The value.
        depth: Maximum nesting of containers; deeper ones become None.

    Returns:
        The same value, but with None for integers beyond 2^62 and for containers nested too deeply.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -LARGEST <= value <= LARGEST else None
    if isinstance(value, (dict, list)) and not depth:
        return None
    if isinstance(value, dict):
        return {name: tame(each, depth - 1) for name, each in value.items()}
    if isinstance(value, list):
        return [tame(each, depth - 1) for each in value]
    return value
