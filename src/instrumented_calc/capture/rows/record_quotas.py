"""Limits on records other than calls in a journal that has reached its size limit.

Each kind has its own share, so that marks written in a loop take nothing from phases or machine samples. At
first every record passes; each time half of the remaining share is used, only one in eight times as many
passes, so the share is never used up.
"""

from __future__ import annotations

from typing import Any

from instrumented_calc.journal.records import (
    Contractions,
    Conversions,
    Fields,
    Observers,
    Places,
    ProductTimes,
    RunEnd,
    RunStart,
    StepProfiles,
)

# Sums since the previous record, records required to read the journal, and few of limited size.
NEVER_LEFT_OUT = (
    RunStart,
    Fields,
    RunEnd,
    Contractions,
    Conversions,
    ProductTimes,
    Places,
    StepProfiles,
    Observers,
)
LEAST_ROOM = 2_000  # bytes
MARK, NOT_FINITE = "mark", "not-finite"  # kinds with a share of their own


class Ration:
    """The share of one kind of records.

    Args:
        room: Bytes.
        always: Whether every record is written; the share then only determines how rarely to make one.
    """

    def __init__(self, room: int, *, always: bool) -> None:
        self.always = always
        self._room = self._left = max(room, LEAST_ROOM)
        self._every = 1
        self._seen = 0
        self.left_out = 0

    def passes(self) -> bool:
        """Return whether the next record is written."""
        self._seen += 1
        if self._seen % self._every == 0:
            return True
        self.left_out += 1
        return False

    def spent(self, size: int) -> None:
        """Subtract written bytes from the share."""
        self._left -= size
        halvings = (self._room // max(self._left, 1)).bit_length() - 1
        self._every = 8 ** max(halvings, 0)


class Rations:
    """The shares of all kinds.

    Args:
        room: Bytes for each kind.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._by_kind: dict[Any, Ration] = {}

    def of(self, record: type, kind: str = "") -> Ration:
        """Return the share of a record.

        Args:
            record: Their class.
            kind: Kind of a notice or state: users' marks and non-finite results have a share of their own.
        """
        key = kind if kind in {MARK, NOT_FINITE} else Contractions if record is Conversions else record
        ration = self._by_kind.get(key)
        if ration is None:
            ration = self._by_kind[key] = Ration(self._room, always=key in NEVER_LEFT_OUT)
        return ration

    @property
    def left_out(self) -> int:
        """Records omitted so far."""
        return sum(ration.left_out for ration in self._by_kind.values() if not ration.always)
