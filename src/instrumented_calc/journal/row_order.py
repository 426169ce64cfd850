"""Rows that occur twice in a file, or in the wrong place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.journal.columns import BLOCK_ROWS, Sparse

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls, Integers, Mask

# Rows are written when their calls end, threads within some milliseconds of each other: a row that ended
# this much earlier than one above it is in a moved or repeated block.
MISPLACED_NS = 1_000_000_000
# A difference of the call numbers of neighbouring rows above this is not explained by threads and nested
# calls.
FAR = 64


def misplaced(index: Integers, start_ns: Integers, wall_ns: Integers) -> tuple[int, Integers]:
    """Find blocks of rows that are out of order.

    Args:
        index: Numbers of the calls, in the order of the file.
        start_ns: Their starts, ns.
        wall_ns: Their durations, ns.

    Returns:
        The number of rows that ended long before one above them, and the rows, if any, at which the order
        breaks: values carried from earlier rows do not apply to these.
    """
    latest, late = 0, 0
    for at in range(0, len(index), BLOCK_ROWS):
        block = slice(at, at + BLOCK_ROWS)
        ends = start_ns[block] + wall_ns[block].astype(np.int64)
        so_far = np.maximum(np.maximum.accumulate(ends), latest)
        late += int((ends < so_far - MISPLACED_NS).sum())
        latest = int(so_far[-1])
    if not late:
        return 0, np.empty(0, np.int64)
    steps = np.abs(np.diff(index.astype(np.int64)))
    return late, np.flatnonzero(steps > FAR) + 1


def repeats(calls: Calls) -> tuple[Mask | None, int]:
    """Find rows whose call already has a row above.

    Returns:
        A mask of the rows to keep, or None to keep all, and the number of the others that contradict the
        kept row.
    """
    index = calls.index
    if bool((index[1:] > index[:-1]).all()):
        return None, 0
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    places = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    if not len(places):
        return None, 0
    again, first = order[places], order[np.searchsorted(ordered, ordered[places])]
    differ = (calls.start_ns[again] != calls.start_ns[first]) | (calls.wall_ns[again] != calls.wall_ns[first])
    keep = np.ones(len(index), np.bool_)
    keep[again] = False
    return keep, int(differ.sum())


def kept(calls: Calls, keep: Mask) -> Calls:
    """Return some of the rows of columns."""
    numbers = np.cumsum(keep) - 1

    def sparse(found: Sparse) -> Sparse:
        mask = keep[found.rows]
        wanted = np.flatnonzero(mask)
        whole = isinstance(found.values, np.ndarray)
        values = found.values[wanted] if whole else [found.values[place] for place in wanted]
        return Sparse(numbers[found.rows[mask]], values)

    def named(columns: dict[str, Integers]) -> dict[str, Integers]:
        return {name: column[keep] for name, column in columns.items()}

    plain = ("index", "start_ns", "wall_ns", "gap_ns", "step", "lane", "phase", "n_atoms", "system")
    return replace(
        calls,
        **{name: getattr(calls, name)[keep] for name in (*plain, "properties", "changes", "split")},
        components=named(calls.components),
        counts=named(calls.counts),
        device=named(calls.device),
        compiled=sparse(calls.compiled),
        sparse={name: sparse(found) for name, found in calls.sparse.items()},
        failures=sparse(calls.failures),
    )
