"""Query many sources, of which some may fail or have no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def answers(sources: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Query each source, and skip those that fail or have no data: an unknown is never a zero.

    Args:
        sources: Functions without arguments, by the key of their result.
    """
    found = {}
    for name, source in sources.items():
        # A run must start even on a machine with unusual files or libraries.
        with own_faults_dropped():
            value = source()
            if value is not None and value not in ("", [], {}):
                found[name] = value
    return found
