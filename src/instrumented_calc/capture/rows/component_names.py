"""Bound the number of names that users give to parts of a calculation, such as `span(f"frame-{i}")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.journal.encoding import valid_text

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_NAMES = 256  # of one run
LONGEST_NAME = 200  # characters
OTHERS = "*other spans*"


class ComponentNames:
    """The names of one run's components.

    Args:
        on_limit: Called once, when the first name is dropped.

    Attributes:
        known: Names that rows may have.
    """

    def __init__(self, on_limit: Callable[[], None]) -> None:
        self.known = {OTHERS}
        self._on_limit = on_limit
        self._is_full = False

    def bounded(self, components: dict[Any, int]) -> dict[str, int]:
        """Return a row's components; names beyond the limit are summed.

        Args:
            components: Times in ns by name.
        """
        sums: dict[str, int] = {}
        for given, elapsed in components.items():
            name = given if given in self.known else self._admitted(given)
            sums[name] = sums.get(name, 0) + elapsed
        return sums

    def _admitted(self, given: Any) -> str:
        name = valid_text(str(given))[:LONGEST_NAME]
        if name in self.known:
            return name
        if len(self.known) <= MOST_NAMES:
            self.known.add(name)
            return name
        if not self._is_full:
            self._is_full = True
            self._on_limit()
        return OTHERS
