"""The memory of a wanted size, and the largest size that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.sizing.extrapolation import beyond, largest_carried, law_of, objection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.sizing.run_cost import RunCost
    from instrumented_calc.analysis.statistics.student_t import Estimate


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """One kind of memory.

    Attributes:
        kind: `host` or `device`.
        needed_bytes: Predicted peak; None if the runs do not tell.
        limit_bytes: Memory of the machine that was measured; None if unknown.
        largest: Largest number of atoms that fits it; None if memory does not measurably grow, or if the runs
            do not carry the number.
        fits_at_least: How many atoms fit at least, if the runs do not carry the largest number.
        why: The reason if memory is not predicted; otherwise empty.
    """

    kind: str
    needed_bytes: Estimate | None
    limit_bytes: float | None = None
    largest: Estimate | None = None
    fits_at_least: int | None = None
    why: str = ""


def memory_need(
    kind: str, costs: Sequence[RunCost], own: RunCost | None, n_atoms: int, limit: float | None
) -> MemoryNeed:
    """Predict one kind of memory.

    Args:
        kind: `host` or `device`.
        costs: Runs of several sizes.
        own: A run of the user's own program; its libraries and data add a constant.
        n_atoms: The wanted number of atoms.
        limit: Memory of the machine, bytes.
    """
    rows = [(each.n_atoms, held) for each in costs if (held := _held(each, kind)) is not None]
    law = law_of(rows)
    mine = None if own is None else _held(own, kind)
    if law is None or (own is not None and mine is None):
        return MemoryNeed(kind, None, limit, why="it was not measured at enough sizes")
    if own is not None and mine is not None:
        law = law.above(own.n_atoms, mine)
    needed = law.predict(n_atoms)
    sizes = [n for n, _ in rows]
    why = objection(law, needed, beyond(n_atoms, sizes))
    found = None if limit is None else law.largest(limit)
    largest, at_least = (None, None) if found is None else largest_carried(found, sizes)
    return MemoryNeed(kind, None if why else needed, limit, largest, at_least, why)


def _held(cost: RunCost, kind: str) -> int | None:
    return cost.host_bytes if kind == "host" else cost.device_bytes
