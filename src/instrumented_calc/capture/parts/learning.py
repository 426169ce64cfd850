"""Times every module of a calculator in its first calls, and chooses those that stay timed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import UNSET

from instrumented_calc.capture.open_calls import SEPARATOR
from instrumented_calc.capture.parts.call_tree import CallTree
from instrumented_calc.capture.parts.components import Components, drop_times
from instrumented_calc.capture.parts.frontier import choose, summed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.integration import Part


class Learning:
    """The modules of one calculator during its first calls.

    Args:
        parts: All modules, named by their paths.
        on_fault: Called with the place and the exception of an error that costs a measurement.
        on_absent: Called with the reason if modules are not timed any more.

    Attributes:
        names: Names of the chosen modules' rows, by their paths.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        on_fault: Callable[[str, BaseException], None],
        on_absent: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._classes = {part.name: type(part.owner).__name__ for part in parts}
        self._components = Components(parts, label="", on_fault=on_fault, on_absent=on_absent)
        self._open: dict[int, CallTree] = {}
        self._least: dict[str, int] = {}
        self.names: dict[str, str] = {}

    def put(self, entry: Entry) -> None:
        """Start timing all modules at the beginning of a call."""
        self._open[id(entry)] = tree = CallTree()
        self._components.put(entry, tree)

    def take_back(self, entry: Entry) -> None:
        """Restore the modules after the call. Calling it twice is harmless."""
        self._components.take_back(entry)

    def collect(self, entry: Entry) -> None:
        """Choose the modules by the calls so far, and replace this call's times by those of the rows.

        Each module counts with the least work of a call: much of the first calls' work happens only once.
        """
        tree = self._open.pop(id(entry), None)
        if self._components.interrupted:
            drop_times(entry, self._classes)
            return
        if tree is None or entry.components is UNSET:
            return
        times, terms = _without_terms(entry.components, self._classes)
        least = self._least
        for part in times:
            work = tree.times.get(part, 0)
            least[part] = min(work, least.get(part, work))
        self.names = choose(tree, least, self._classes)
        self._components.relabel(self.names)
        entry.components = summed(times, tree.parents, self._classes, self.names, terms)

    def chosen(self) -> list[Part]:
        """Return the parts that stay timed."""
        return [replace(part, name=self.names[part.name]) for part in self._parts if part.name in self.names]


def _without_terms(
    components: dict[str, int], classes: dict[str, str]
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the times with the bare paths of the modules, and the names of the terms around them."""
    times: dict[str, int] = {}
    terms: dict[str, str] = {}
    for name, time in components.items():
        term, _, path = name.rpartition(SEPARATOR)
        if term and path in classes:
            terms[path] = term
        else:
            path = name
        times[path] = times.get(path, 0) + time
    return times, terms
