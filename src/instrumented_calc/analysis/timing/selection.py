"""Select the calls of a run or of one phase, each counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.timing.coverage import cover
from instrumented_calc.analysis.timing.latency import in_order

if TYPE_CHECKING:
    from instrumented_calc.analysis.timing.coverage import Cover
    from instrumented_calc.journal.columns import Calls, Integers, Mask
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Slice


@dataclass(frozen=True, slots=True)
class Selection:
    """The calls of a run or a phase.

    Attributes:
        calls: All columns of the journal.
        mask: Rows that belong to the run or phase, including nested and sliced ones.
        rows: Outermost calls whose time is in no slice, including failed ones, in order of start.
        cover: Extent of these calls in time; None if there are none.
        slices: Thinned intervals of the run or phase.
    """

    calls: Calls
    mask: Mask
    rows: Integers
    cover: Cover | None
    slices: tuple[Slice, ...]

    @property
    def edges_ns(self) -> tuple[int, int] | None:
        """Start of the first call and end of the last one, ns; None without calls."""
        edges = [(each.start_ns, each.end_ns) for each in self.slices if each.calls]
        if self.cover is not None:
            edges.append((self.cover.first_ns, self.cover.last_ns))
        if not edges:
            return None
        return min(first for first, _ in edges), max(last for _, last in edges)

    @property
    def first_row(self) -> int | None:
        """Row of the first call, or None if it is in a slice."""
        if not len(self.rows):
            return None
        first = int(self.rows[0])
        start = int(self.calls.start_ns[first])
        return None if any(each.start_ns < start for each in self.slices) else first

    def growth(self, field: str) -> int | None:
        """Return the growth of a cumulative sampled field from its first to its last sample."""
        sparse = self.calls.sparse.get(field)
        if sparse is None:
            return None
        values = sparse.values[self.mask[sparse.rows]]
        fewest = 2
        return int(values[-1]) - int(values[0]) if len(values) >= fewest else None


def select(journal: Journal, phase: int | None = None) -> Selection:
    """Select the calls of the whole run, or those that one driver requested."""
    calls = journal.calls
    mask = np.ones(len(calls), np.bool_) if phase is None else calls.phase == phase
    # The time of a call that raised is not in any slice, so its row counts.
    counted = mask & ~calls.nested & (~calls.sliced | calls.raised)
    rows = in_order(calls, counted)
    return Selection(
        calls=calls,
        mask=mask,
        rows=rows,
        cover=cover(calls, rows),
        slices=tuple(each for each in journal.slices if phase is None or each.phase == phase),
    )
