"""Decode blocks of `call` lines, quickly.

Nearly all rows are lean: five numbers, perhaps an energy and components, always with the same names. Small
Structs decode these, and a row with more commas than that is decoded again in full. A block in which
something does not fit (a new component, an unexpected type) is decoded in full.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import starmap
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from instrumented_calc.journal.columns import ABSENT
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.records import LARGEST, Natural
from instrumented_calc.journal.row_types import PLAIN, LeanRow, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Integers, Mask

# Names beyond this number share one column, so that generated span names cannot exhaust the memory.
MOST_COMPONENTS = 256
REMAINING_COMPONENTS = "(remaining names)"

_plain = attrgetter(*PLAIN)
_components = attrgetter("components")

# Packing tuples and viewing the bytes as an array takes 80 ns per row, filling an array 110 ns.
_pack_plain = struct.Struct("=5q").pack
# The one field that is dropped although nearly all rows have it; the recorder writes it last.
_ENERGY = np.frombuffer(b'"energy_ev":', np.uint8)
_ENERGY_PLACES = np.arange(1, len(_ENERGY) + 1)
# Commas of a row with event, index, start_ns and wall_ns.
_LEAST_COMMAS = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Some `call` rows.

    Attributes:
        plain: The fields of `PLAIN`, one per line of the array; -1 if a row lacks one.
        names: Components that rows may have.
        times: Time in each component, ns, one per line of the array; -1 if a row lacks one.
        places: Positions in the block of rows that may have other fields.
        rows: These rows, each a `Row`.
    """

    plain: Integers
    names: list[str]
    times: Integers
    places: Sequence[int]
    rows: list[Any]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.plain[0])


class RowDecoder:
    """Converts the bytes of `call` lines into blocks, and learns the names of components."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._decode_full: Any = decoder(Row).decode_lines
        self._decode_lean: Any = decoder(LeanRow).decode_lines
        # The names of lean rows, and the packer of their times.
        self._lean_names: list[str] = []
        self._pack_times = struct.Struct("").pack

    def decode(self, lines: bytes) -> Block:
        """Decode a block of complete lines.

        Args:
            lines: One row per line, without blank lines; each line ends with a newline.

        Raises:
            msgspec.DecodeError: If a line is not a usable row.
        """
        try:
            block = self._lean_block(lines)
        except msgspec.ValidationError:
            return self._full_block(lines)
        # Before any name is known lean rows have no components at all.
        unseen = not self._lean_names and any(row.components for row in block.rows)
        return self._full_block(lines) if unseen else block

    def check(self, line: bytes) -> None:
        """Check that a line is a usable row.

        Raises:
            msgspec.DecodeError: It is not.
        """
        _check_count(self._decode_full(line), 1)

    def _lean_block(self, lines: bytes) -> Block:
        rows = self._decode_lean(lines)
        ends, commas, energies = _punctuation(lines)
        _check_count(rows, len(ends))
        tuples = map(_plain if self._lean_names else astuple, rows)
        packed = b"".join(starmap(_pack_plain, tuples))
        plain = np.maximum(np.frombuffer(packed, np.int64).reshape(-1, len(PLAIN)).T, ABSENT)
        times = self._lean_times(rows)
        explained = _LEAST_COMMAS + (plain[3:] != ABSENT).sum(axis=0) + (times != ABSENT).sum(axis=0)
        # Unless a component is called `energy_ev`, a trailing `energy_ev` is the row's own field.
        if "energy_ev" not in self._lean_names:
            explained += energies
        places = np.flatnonzero(commas > explained).tolist()
        rich = [lines[ends[place - 1] + 1 if place else 0 : ends[place] + 1] for place in places]
        return Block(plain, self._lean_names, times, places, self._decode_full(b"".join(rich)))

    def _lean_times(self, rows: list[Any]) -> Integers:
        """Return the times in components, one name per line of the array."""
        if not self._lean_names:
            return np.empty((0, len(rows)), np.int64)
        packed = b"".join(starmap(self._pack_times, map(astuple, map(_components, rows))))
        return np.frombuffer(packed, np.int64).reshape(len(rows), -1).T

    def _full_block(self, lines: bytes) -> Block:
        rows = self._decode_full(lines)
        _check_count(rows, lines.count(b"\n"))
        plain = np.array([_plain(row) for row in rows], np.int64).reshape(-1, len(PLAIN)).T
        times = [row.components or {} for row in rows]
        self._learn(set().union(*times))
        names, table = self._table(times)
        return Block(np.maximum(plain, ABSENT), names, table, range(len(rows)), rows)

    def _learn(self, seen: set[str]) -> None:
        """Make room for new names, and allow lean rows to have those that a Struct can represent."""
        new = sorted(seen.difference(self._names))[: MOST_COMPONENTS - len(self._names)]
        if not new:
            return
        self._names += new
        # Struct fields may have any names without quotes, backslashes and control characters.
        names = [name for name in self._names if name.isprintable() and not {*'"\\'} & {*name}]
        self._lean_names = names
        self._pack_times = struct.Struct(f"={len(names)}q").pack
        self._decode_lean = decoder(_lean_type(names)).decode_lines

    def _table(self, times: list[dict[str, int]]) -> tuple[list[str], Integers]:
        """Return all names with their times; names beyond the limit are summed."""
        names, known = self._names, set(self._names)
        table = [[row.get(name, ABSENT) for name in names] for row in times]
        if any(row.keys() - known for row in times):
            names = [*names, REMAINING_COMPONENTS]
            for line, row in zip(table, times, strict=True):
                beyond = [row[name] for name in row.keys() - known]
                line.append(min(sum(beyond), LARGEST) if beyond else ABSENT)
        return names, np.array(table, np.int64).reshape(len(times), len(names)).T


def _lean_type(names: list[str]) -> type[msgspec.Struct]:
    """Return `LeanRow` with exactly these component names."""
    if not names:
        return LeanRow
    fields = [
        (f"part_{place}", Natural, msgspec.field(default=ABSENT, name=name))
        for place, name in enumerate(names)
    ]
    parts = msgspec.defstruct("Parts", fields, frozen=True, gc=False, forbid_unknown_fields=True)
    return msgspec.defstruct(
        "LeanRowWithParts",
        [("components", parts, parts())],
        bases=(LeanRow,),
        tag="call",
        tag_field="event",
        gc=False,
    )


def _punctuation(lines: bytes) -> tuple[Integers, Integers, Mask]:
    """Return each line's end, its number of commas, and whether an energy is its last field."""
    text = np.frombuffer(lines, np.uint8)
    marks = np.flatnonzero((text == ord("\n")) | (text == ord(",")))
    newlines = np.flatnonzero(text[marks] == ord("\n"))
    last_commas = marks[newlines - 1]
    last_keys = text.take(last_commas[:, None] + _ENERGY_PLACES, mode="clip")
    energies = (last_keys == _ENERGY).all(axis=1)
    return marks[newlines], np.diff(newlines, prepend=-1) - 1, energies


def _check_count(rows: list[Any], lines: int) -> None:
    if len(rows) != lines:
        message = "not one row per line"
        raise msgspec.DecodeError(message)
