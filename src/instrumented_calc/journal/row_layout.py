"""The fields that the rows of a run usually have, decoded into arrays without a Python loop over rows."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from instrumented_calc.journal.columns import ABSENT
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.records import Natural, Whole
from instrumented_calc.journal.row_types import PLAIN, integer_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.journal.columns import Integers

# Energy of a row that has none: JSON has no infinity.
NO_ENERGY = float("inf")


@dataclass(frozen=True, slots=True)
class LeanRows:
    """Rows as arrays with a field or name per line, -1 where a row lacks it.

    Attributes:
        integers: The fields of `PLAIN` and the usual ones.
        components: Times in components, ns.
        counted: The rows with counts.
        counts: Counts of these rows.
        others: The rows that may have further fields.
        other_lines: The lines of these.
    """

    integers: Integers
    components: Integers
    counted: Integers
    counts: Integers
    others: Integers
    other_lines: bytes


class RowLayout:
    """Decodes rows with certain fields: integers, and perhaps an energy.

    Args:
        usual: Fields that rows may have besides `PLAIN`.
        components: Names of components that they may have.
        counts: Names of counts that they may have.

    Attributes:
        usual: As above.
        components: As above, without names that a Struct cannot have.
        counts: As above, without names that a Struct cannot have.
    """

    def __init__(
        self, usual: Iterable[str] = (), components: Sequence[str] = (), counts: Sequence[str] = ()
    ) -> None:
        self.usual = tuple(usual)
        self.components = [*filter(_is_possible, components)]
        self.counts = [*filter(_is_possible, counts)]
        integers = (*PLAIN, *self.usual)
        absent = _by_name(self.components, Natural)
        # Null, as an energy that is not finite is written, does not fit. No name fits until one is known.
        fields = [
            *map(integer_field, integers),
            ("energy_ev", float, NO_ENERGY),
            ("components", type(absent), absent),
            ("counts", type(_by_name(self.counts, Whole)) | None, None),
        ]
        row = msgspec.defstruct("LeanRow", fields, tag="call", tag_field="event", gc=False)
        self._decode: Any = decoder(row).decode_lines
        # Objects are packed as their truth, one byte.
        self._row = struct.Struct(f"={len(integers)}qd??")
        self._components = struct.Struct(f"={len(self.components)}q")
        self._counts = struct.Struct(f"={len(self.counts)}q")

    def decode(self, lines: bytes) -> LeanRows:
        """Decode rows.

        Args:
            lines: One row per line, without blank lines; each line ends with a newline.

        Raises:
            msgspec.ValidationError: A value does not fit, or a name is not known.
            msgspec.DecodeError: A line is not a row.
        """
        rows = self._decode(lines)
        packed, size = _packed(rows, self._row), self._row.size
        integers = _table(packed, len(rows), len(PLAIN) + len(self.usual), size)
        energies = np.ndarray(len(rows), np.float64, packed, size - 10, (size,))
        counted = np.flatnonzero(np.ndarray(len(rows), np.bool_, packed, size - 1, (size,)))
        components = self._named([row.components for row in rows], self.components, self._components)
        counts = self._named([rows[place].counts for place in counted.tolist()], self.counts, self._counts)
        explained = (energies != NO_ENERGY) + _number(integers) + _number(components)
        explained[counted] += _number(counts)
        others, other_lines = _unexplained(lines, explained)
        return LeanRows(integers, components, counted, counts, others, other_lines)

    @staticmethod
    def _named(rows: Sequence[Any], names: Sequence[str], layout: struct.Struct) -> Integers:
        if not names:
            return np.empty((0, len(rows)), np.int64)
        return _table(_packed(rows, layout), len(rows), len(names), layout.size)


def _packed(rows: Sequence[Any], layout: struct.Struct) -> bytes:
    """Return the fields of Structs, packed: taking some of them, or filling an array, takes twice as long."""
    return b"".join(starmap(layout.pack, map(astuple, rows)))


def _table(packed: bytes, rows: int, width: int, size: int) -> Integers:
    """Return the first fields of packed rows as an array with a line for each; negative values become -1."""
    table: Integers = np.ndarray((width, rows), np.int64, packed, 0, (8, size))
    return np.maximum(table, ABSENT, order="C")


def _number(table: Integers) -> Integers:
    """Return how many fields each row has; before each of them is a comma."""
    found: Integers = (table != ABSENT).sum(axis=0, dtype=np.int16)
    return found


def _unexplained(lines: bytes, explained: Integers) -> tuple[Integers, bytes]:
    """Return the rows with more commas than explained, and their lines."""
    text = np.frombuffer(lines, np.uint8)
    is_comma, is_end = text == ord(","), text == ord("\n")
    if np.count_nonzero(is_end) != len(explained):
        message = "not one row per line"
        raise msgspec.DecodeError(message)
    if np.count_nonzero(is_comma) == int(explained.sum(dtype=np.int64)):
        return np.empty(0, np.int64), b""
    marks = np.flatnonzero(is_comma | is_end)
    newlines = np.flatnonzero(is_end[marks])
    places = np.flatnonzero(np.diff(newlines, prepend=-1) - 1 > explained)
    ends = [0, *(marks[newlines] + 1).tolist()]
    return places, b"".join([lines[ends[place] : ends[place + 1]] for place in places.tolist()])


def _by_name(names: Sequence[str], kind: Any) -> Any:
    """Return a Struct that has a field for each name, all of them absent; None without names."""
    if not names:
        return None
    # The names may be no identifiers.
    fields = [
        (f"field_{place}", kind, msgspec.field(default=ABSENT, name=name)) for place, name in enumerate(names)
    ]
    return msgspec.defstruct("ByName", fields, frozen=True, gc=False, forbid_unknown_fields=True)()


def _is_possible(name: str) -> bool:
    """Return whether a field of a Struct may have this name."""
    return name.isprintable() and not {*'"\\'} & {*name}
