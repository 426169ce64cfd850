"""The computed systems, by size and formula: for loops over many structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.journal.columns import Integers, Mask
    from instrumented_calc.journal.reader import Journal

NS_PER_US = 1e3


@dataclass(frozen=True, slots=True)
class SystemUse:
    """The successful outermost calls for systems of one size and formula; thinned calls are excluded.

    Attributes:
        n_atoms: Number of atoms.
        formula: Chemical formula; `*other*` for those beyond the limit of a journal. None where structures
            changed under one calculator in a journal without their formulas, as those of 0.1.0.
        calls: Number of calls.
        wall_ns: Their time, ns.
        median_ns: Median of their times, ns.
    """

    n_atoms: int
    formula: str | None
    calls: int
    wall_ns: int
    median_ns: float

    @property
    def us_per_atom(self) -> float:
        """Median time per atom, us."""
        return self.median_ns / self.n_atoms / NS_PER_US


def measure_systems(journals: Sequence[Journal]) -> list[SystemUse]:
    """Return the systems of some journals, the smallest first; none if all calls are for the same one.

    Args:
        journals: Those of one process, or of the workers of one pool.
    """
    times: dict[tuple[int, str | None], list[Integers]] = {}
    for journal in journals:
        for system, wall in _times(journal):
            times.setdefault(system, []).append(wall)
    if len(times) < 2:  # noqa: PLR2004 - a single system is the run
        return []
    found = []
    for (n_atoms, formula), parts in times.items():
        wall = np.concatenate(parts)
        total = int(wall.sum(dtype=np.int64))
        found.append(SystemUse(n_atoms, formula, len(wall), total, float(np.median(wall))))
    return sorted(found, key=lambda each: (each.n_atoms, each.formula or ""))


def _times(journal: Journal) -> Iterator[tuple[tuple[int, str | None], Integers]]:
    """Yield each size and formula with the times of its calls."""
    calls = journal.calls
    counted = (calls.n_atoms > 0) & ~(calls.nested | calls.raised | calls.sliced)
    formulas = {each.system: each.formula for each in journal.systems}
    known = counted & np.isin(calls.system, list(formulas))
    yield from _known_times(journal, known, formulas)
    unknown = counted & ~known
    changed = _structure_changes(journal)
    for lane in np.unique(calls.lane[unknown]).tolist():
        ours: Mask = unknown & (calls.lane == lane)
        described = journal.lanes.get(lane)
        # The first call of a calculator changes everything.
        single = int((changed & (calls.lane == lane)).sum()) <= 1
        formula = described.formula if described is not None and single else None
        for n_atoms in np.unique(calls.n_atoms[ours]).tolist():
            text = formula if isinstance(formula, str) else None
            yield (n_atoms, text), calls.wall_ns[ours & (calls.n_atoms == n_atoms)]


def _known_times(
    journal: Journal, known: Mask, formulas: dict[int, str]
) -> Iterator[tuple[tuple[int, str | None], Integers]]:
    """Yield the same for calls whose composition was recorded."""
    calls, rows = journal.calls, np.flatnonzero(known)
    if not len(rows):
        return
    sizes, systems = calls.n_atoms[rows], calls.system[rows]
    if (sizes == sizes[0]).all() and (systems == systems[0]).all():  # nearly always; sorting takes long
        yield (int(sizes[0]), formulas[int(systems[0])]), calls.wall_ns[rows]
        return
    pairs = np.stack([sizes, systems]).astype(np.int64)
    found, places = np.unique(pairs, axis=1, return_inverse=True)
    order = np.argsort(places.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(places.ravel(), minlength=found.shape[1]))[:-1]
    for (n_atoms, system), ours in zip(found.T.tolist(), np.split(rows[order], ends), strict=True):
        yield (n_atoms, formulas[system]), calls.wall_ns[ours]


def _structure_changes(journal: Journal) -> Mask:
    """Return which calls were for another composition than the call before."""
    calls = journal.calls
    changing = [number for number, names in enumerate(calls.change_sets) if "numbers" in names]
    found: Mask = np.isin(calls.changes, changing)
    return found
