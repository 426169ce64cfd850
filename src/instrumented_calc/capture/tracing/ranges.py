"""The ranges of one traced call: they mark the running component for the tracer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.capture.tracing.slices import RANGE
from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


class Ranges:
    """Enters and leaves ranges; their errors are dropped, and the component lacks its range.

    Args:
        annotate: Returns a tracer's range with a name.
    """

    def __init__(self, annotate: Callable[[str], AbstractContextManager[object]]) -> None:
        self._annotate = annotate
        self._open: list[AbstractContextManager[object]] = []

    def enter(self, component: str) -> int:
        """Enter a component's range.

        Returns:
            The argument of `leave`.
        """
        depth = len(self._open)
        with own_faults_dropped():
            made = self._annotate(RANGE + component)
            made.__enter__()
            self._open.append(made)
        return depth

    def leave(self, depth: int) -> None:
        """Leave a range, and inner ones that were never left."""
        while len(self._open) > depth:
            made = self._open.pop()
            with own_faults_dropped():
                made.__exit__(None, None, None)
