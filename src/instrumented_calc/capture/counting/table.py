"""Counts contractions by signature, in the thread that runs them, without a lock.

Each thread counts into cells of its own: per recorder and per timed component. So no count is lost between
threads, and a cell's only other reader is the journal's thread, which periodically writes the new counts. An
equation is fully inspected (time, operands) for its first `REVIEW_AFTER` calls, and permanently if that
overhead is negligible; otherwise every call is counted, and about one in `ONE_IN`, at random intervals, is
inspected.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.cells import Cell, Converted, Seen
from instrumented_calc.capture.counting.product_times import Wanted
from instrumented_calc.journal.records import Contraction, Contractions, Conversions
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from instrumented_calc.capture.counting.cells import Program
    from instrumented_calc.capture.open_calls import Entry

MOST_SIGNATURES = 4096
FEWEST_CALLS = 30  # of a contraction that is worth other code
MOST_COMPONENTS = 256  # names of spans and parts; a program may create a new one for each step
LONGEST_EQUATION = 200  # characters
OTHER_COMPONENTS = "*other spans*"
# Modules that stand between the code that wrote an einsum and torch's C function.
PASSED_OVER = frozenset({"torch.functional", "torch.fx.graph_module", "torch.nn.modules.module"})
OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - as code objects have it: swapped code has other globals


class Signatures:
    """Counts of one thread in one component: a cell for each equation, by library.

    Attributes:
        numpy: Cells of `numpy.einsum` by equation, or by (equation, optimize).
        torch: Cells of `torch.einsum` by equation.
        jax: JAX programs by function and shapes.
        conversions: Conversions by kind, dtypes and devices.
    """

    __slots__ = ("_table", "component", "conversions", "jax", "numpy", "torch")

    def __init__(self, table: SignatureTable, component: str) -> None:
        self._table = table
        self.component = component
        self.numpy: dict[Any, Cell] = {}
        self.torch: dict[Any, Cell] = {}
        self.jax: dict[Any, Program] = {}
        self.conversions: dict[Any, Converted] = {}

    def cell(self, cells: dict[Any, Cell], key: Any, label: str, *, optimize: bool = False) -> Cell:
        """Return an equation's cell, created if there is room for one more."""
        found = cells.get(key)
        if found is None:
            if not self._table.has_room():
                return cells.setdefault(OTHER, Cell(OTHER))
            found = cells[key] = Cell(label[:LONGEST_EQUATION], optimize=optimize)
        return found

    def seen(self, cell: Cell, key: Any, operands: list[str]) -> Seen:
        """Return the record of calls with these operands, with the line of the first one."""
        found = cell.by_operands.get(key)
        if found is None:
            if not self._table.has_room():
                return cell.by_operands.setdefault(OTHER, Seen([OTHER], ""))
            found = cell.by_operands[key] = Seen(operands, calling_line())
        return found

    def converted(self, key: Any, words: tuple[str, str, str]) -> Converted:
        """Return a new conversion cell, created if there is room for one more.

        Args:
            key: Key of the cell.
            words: Kind, source and target.
        """
        if self._table.has_room():
            return self.conversions.setdefault(key, Converted(*words))
        return self.conversions.setdefault(words[0], Converted(words[0], OTHER, OTHER))

    def cells(self) -> list[Cell]:
        """Return the cells of all libraries."""
        return [*self.numpy.values(), *self.torch.values()]

    def news(self) -> list[Contraction]:
        """Return the counts since the last call."""
        libraries = (("numpy", self.numpy), ("torch", self.torch))
        found = [cell.news(name, self.component) for name, cells in libraries for cell in [*cells.values()]]
        programs = [new for each in [*self.jax.values()] for new in each.news(self.component)]
        return [each for each in found if each is not None] + programs


class SignatureTable:
    """Counts of one run, in all its threads.

    Attributes:
        unexplained: JAX programs whose contractions are not known yet, with any error.
        faulty: Whether there was an error before.
        unseen: Functions that convert, but cannot be counted.
    """

    def __init__(self) -> None:
        self.unexplained: list[Program | Exception] = []
        self.faulty = False
        self._by_thread: dict[tuple[int, str], Signatures] = {}
        self._components: set[str] = set()
        self._room = itertools.count(1).__next__
        self._full = False
        self.unseen: set[str] = set()

    def of(self, entry: Entry) -> Signatures:
        """Return the counts of the current thread in an entry's component.

        Args:
            entry: The innermost entry of the thread's stack; it keeps the counts.
        """
        key = threading.get_ident(), entry.name
        found = self._by_thread.get(key)
        entry.signatures = found = found or self._added(*key)
        return found

    def _added(self, thread: int, component: str) -> Signatures:
        """Return the counts of a component that is new to a thread, or beyond the limit."""
        if component not in self._components:
            if len(self._components) >= MOST_COMPONENTS:
                component = OTHER_COMPONENTS
            self._components.add(component)
        return self._by_thread.setdefault((thread, component), Signatures(self, component))

    def has_room(self) -> bool:
        """Reserve room for one more signature, if there is any."""
        self._full = self._full or self._room() > MOST_SIGNATURES
        return not self._full

    def reconsider(self) -> None:
        """Inspect equations less often that proved quick and frequent."""
        for signatures in [*self._by_thread.values()]:
            for cell in signatures.cells():
                cell.reconsider()

    def longest(self, least_ns: float) -> list[Wanted]:
        """Return the contractions of numpy and torch that take long, the longest first.

        Args:
            least_ns: The least time of all calls of one equation.
        """
        calls: Counter[Wanted] = Counter()
        times: Counter[Wanted] = Counter()
        for signatures in [*self._by_thread.values()]:
            for library, cells in (("numpy", signatures.numpy), ("torch", signatures.torch)):
                for cell in [*cells.values()]:
                    number, ns, operands = cell.estimate()
                    each = Wanted(cell.equation, library, tuple(operands), cell.optimize)
                    calls[each] += number
                    times[each] += int(ns)
        return [
            each._replace(ns=ns / calls[each])
            for each, ns in times.most_common()
            if ns >= least_ns and calls[each] >= FEWEST_CALLS
        ]

    def news(self, now: int) -> Contractions | None:
        """Return the contraction record since the last one, if there are counts.

        Args:
            now: Time on the run's clock, in ns.
        """
        found = [new for each in [*self._by_thread.values()] for new in each.news()]
        return Contractions(time_ns=now, contractions=_merged(found)) if found else None

    def news_of_conversions(self, now: int) -> Conversions | None:
        """Return the conversion record since the last one, if there are counts.

        Args:
            now: Time on the run's clock, in ns.
        """
        news = [
            each.news(signatures.component)
            for signatures in [*self._by_thread.values()]
            for each in [*signatures.conversions.values()]
        ]
        found = [new for new in news if new is not None]
        return Conversions(now, found, sorted(self.unseen)) if found else None


def _merged(found: list[Contraction]) -> list[Contraction]:
    """Add up equal keys counted by several threads."""
    merged: dict[Any, Contraction] = {}
    for each in found:
        key = (
            *(each.library, each.equation, each.component, each.optimize),
            *(each.scope, each.einsum, each.uncertain),
        )
        known = merged.setdefault(key, each)
        if known is each:
            continue
        known.calls += each.calls
        known.timed += each.timed
        known.ns += each.ns
        known.squares_ns2 += each.squares_ns2
        known.operands += each.operands
    return [*merged.values()]


def calling_line() -> str:
    """Return the module and line of the caller outside this package, torch.einsum and generated code.

    Code that torch.fx or e3nn generates belongs to no module: its caller is named instead. The module of a
    script is called `__main__`, whatever its name is: its file is named.
    """
    frame: Any = sys._getframe(1)  # inspect's own way is ten times as slow
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module and module not in PASSED_OVER and not frame.f_code.co_filename.startswith(OURS):
            file = frame.f_code.co_filename
            name = os.path.basename(file) if module == "__main__" and file.endswith(".py") else module  # noqa: PTH119 - quicker
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
