"""Calculations of a geometry that had been calculated before, by the reason why no cache prevented them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.journal.columns import Calls, Integers, Mask
    from instrumented_calc.journal.reader import Journal

# A calculator with at most this many calls was made for them. Uncalibrated.
SHORT_LIVED = 2


class Repeats(NamedTuple):
    """Repeats among the calls whose geometries were compared.

    Attributes:
        looked: Calls whose geometries were compared.
        rows: Rows of the repeats, by cause.
    """

    looked: int
    rows: dict[str, Integers]

    @property
    def number(self) -> int:
        """How many repeats there are."""
        return sum(len(each) for each in self.rows.values())

    @property
    def share(self) -> float:
        """Share of the compared calls."""
        return self.number / self.looked if self.looked else 0.0


def find_repeats(evidence: Evidence) -> Repeats:
    """Return the outermost calls that repeat a geometry and could have been avoided.

    Calls of a calculator whose atoms had not changed at all belong to the rule on those.

    Args:
        evidence: The evidence of the run.
    """
    journal, calls = evidence.summary.journal, evidence.calls
    looked = getattr(journal.counters, "fingerprints", None)
    known = calls.sparse.get("repeats")
    if not isinstance(looked, int) or known is None:
        return Repeats(looked if isinstance(looked, int) else 0, {})
    rows = known.rows.astype(np.int64)
    order = np.argsort(calls.index, kind="stable")
    places = np.searchsorted(calls.index, known.values, sorter=order)
    earlier = order[np.minimum(places, len(order) - 1)]
    found = calls.index[earlier] == known.values  # rows may have been lost
    unchanged = [entry for entry, names in enumerate(calls.change_sets) if not names]
    found &= ~(calls.nested | calls.sliced)[rows] & ~np.isin(calls.changes[rows], unchanged)
    rows, earlier = rows[found], earlier[found]
    same = calls.lane[rows] == calls.lane[earlier]
    alike = _alike(journal, calls, rows, earlier)
    short = short_lived(calls, np.flatnonzero(~(calls.nested | calls.sliced)))[rows]
    between = _between(calls, rows, earlier)
    masks = {
        "new_calculators": ~same & alike & short,
        "other_calculators": ~same & alike & ~short,
        "other_geometries": same & between,
        "forgotten_results": same & ~between,
    }
    return Repeats(looked, {name: rows[mask] for name, mask in masks.items() if mask.any()})


def short_lived(calls: Calls, rows: Integers) -> Mask:
    """Return for each call of the run whether its calculator makes hardly any others, and there are several.

    Args:
        calls: The rows of the run.
        rows: Those to count.
    """
    lanes, number = np.unique(calls.lane[rows], return_counts=True)
    few: Mask = np.isin(calls.lane, lanes[number <= SHORT_LIVED])
    return few & (len(lanes) > SHORT_LIVED)


def _alike(journal: Journal, calls: Calls, rows: Integers, earlier: Integers) -> Mask:
    """Return which pairs of calls were made by calculators of one class."""
    names = {lane: record.calculator for lane, record in journal.lanes.items()}
    pairs = zip(calls.lane[rows].tolist(), calls.lane[earlier].tolist(), strict=True)
    return np.array([names.get(one, one) == names.get(other, other) for one, other in pairs], np.bool_)


def _between(calls: Calls, rows: Integers, earlier: Integers) -> Mask:
    """Return for each pair of calls of one lane whether the lane made others between them."""
    order = np.lexsort((calls.index, calls.lane))
    place = np.empty(len(calls), np.int64)
    place[order] = np.arange(len(calls))
    found: Mask = place[rows] - place[earlier] > 1
    return found
