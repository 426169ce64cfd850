"""Time a run spent on conversions, casts, copies and waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.contractions.contractions import calculated_ns
from instrumented_calc.journal.operand_text import dtype_of

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal


@dataclass(frozen=True, slots=True)
class ConversionUse:
    """Conversions of one kind in one component.

    Attributes:
        kind: `numpy to torch`, `torch to numpy`, `cast`, `host to device`, `device to host`,
            `device to device` or `sync`.
        source: dtype@device of the source; for `sync`: the array waited for.
        target: dtype@device of the result; empty: a Python number or no result.
        component: Calling component; empty: none.
        calls: Exact number of calls.
        ns: Host time of these calls, ns.
        bytes: Size of the results.
        share: Share of the calculator's time; None if unknown.
    """

    kind: str
    source: str
    target: str
    component: str
    calls: int
    ns: int
    bytes: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """Contractions with operands of several dtypes, some of which are converted inside each call.

    Attributes:
        equation: The contraction.
        library: The library.
        component: Calling component; empty: none.
        dtypes: Dtypes of the operands, in order.
        target: The dtype NumPy computes in; empty if unknown.
        seen: Number of such calls among the inspected ones.
    """

    equation: str
    library: str
    component: str
    dtypes: tuple[str, ...]
    target: str
    seen: int


@dataclass(frozen=True, slots=True)
class ConversionTotals:
    """All conversions of a run.

    Attributes:
        rows: One entry per kind, source, target and component, longest first.
        promotions: Contractions of several dtypes, most frequent first.
        calculated_ns: Time of the outermost calls covered by the counts; shares are relative to it.
        unseen: Functions that could not be counted.
    """

    rows: tuple[ConversionUse, ...]
    promotions: tuple[Promotion, ...]
    calculated_ns: int
    unseen: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """Share of the calculator's time in conversions."""
        if not self.calculated_ns:
            return None
        return sum(each.ns for each in self.rows) / self.calculated_ns


def measure_conversions(journal: Journal) -> ConversionTotals | None:
    """Return the conversions of a run, or None if none was recorded.

    Args:
        journal: The run's journal.
    """
    promotions = _promotions(journal)
    if not journal.conversions and not promotions:
        return None
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for record in journal.conversions:
        for each in record.conversions:
            key = each.kind, each.source, each.target, each.component
            known = sums.setdefault(key, [0, 0, 0])
            for place, new in enumerate((each.calls, each.ns, each.bytes)):
                known[place] += new
    until = max((record.time_ns for record in journal.conversions), default=0)
    calculated = calculated_ns(journal, until)
    rows = [
        ConversionUse(*key, calls, ns, size, ns / calculated if calculated else None)
        for key, (calls, ns, size) in sums.items()
    ]
    rows.sort(key=lambda row: (-row.ns, -row.calls, row.kind, row.source, row.target))
    unseen = {name for record in journal.conversions for name in record.unseen}
    return ConversionTotals(tuple(rows), promotions, calculated, tuple(sorted(unseen)))


def _promotions(journal: Journal) -> tuple[Promotion, ...]:
    """Return the contractions of several dtypes among the inspected ones."""
    sums: dict[tuple[str, str, str, tuple[str, ...]], int] = {}
    for record in journal.contractions:
        for each in record.contractions:
            for looks in each.operands:
                dtypes = tuple(dtype_of(operand) or "?" for operand in looks.operands)
                if len(set(dtypes)) > 1 and not {"?", ""} & set(dtypes):
                    key = each.equation, each.library, each.component, dtypes
                    sums[key] = sums.get(key, 0) + looks.seen
    found = [Promotion(*key, target=_promoted(key[3]), seen=seen) for key, seen in sums.items()]
    return tuple(sorted(found, key=lambda each: (-each.seen, each.equation)))


def _promoted(dtypes: tuple[str, ...]) -> str:
    try:
        return str(np.result_type(*dtypes))
    except TypeError:  # bfloat16 and others that NumPy does not have
        return ""
