"""Decode blocks of `call` lines, quickly.

Nearly all rows of a run have the same fields: five integers, perhaps an energy, times in components, counts,
samples. A layout with these decodes them; it is extended as further fields and names occur. A row with more
commas than its fields explain is decoded again in full. A block in which something does not fit (a new
component, an unexpected type) is decoded in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from instrumented_calc.journal.columns import ABSENT
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.records import LARGEST
from instrumented_calc.journal.row_layout import RowLayout
from instrumented_calc.journal.row_types import ESSENTIAL, NATURAL, PLAIN, ROW_FIELDS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Integers

# Names beyond this number share one column, so that generated span names cannot exhaust the memory.
MOST_COMPONENTS = 256
REMAINING_COMPONENTS = "(remaining names)"
# A field that one row in so many has belongs to the layout: decoding a row again takes as long as looking for
# one more field in 200.
USUAL = 200
NOT_FINITE = "energy_not_finite"
_NULL_ENERGY = b'"energy_ev":null'

_plain = attrgetter(*PLAIN)
# Fields that most rows lack.
_FURTHER = tuple(name for name in ROW_FIELDS if name not in {*PLAIN, "components"})
_further = attrgetter(*_FURTHER)
_NOTHING = _further(Row(*[0] * len(ESSENTIAL)))


@dataclass(frozen=True, slots=True)
class Block:
    """Some `call` rows.

    Attributes:
        plain: The fields of `PLAIN`, one per line of the array; -1 if a row lacks one.
        names: Components that rows may have.
        times: Time in each component, ns, one per line of the array; -1 if a row lacks one.
        usual: Further fields that many rows have, by name; -1 if a row lacks one.
        counts: Counts, by name: the places in the block of the rows that have one, and its values.
        others: Other fields, by name, alike. `NOT_FINITE` is 1 if the energy is NaN or infinite.
    """

    plain: Integers
    names: list[str]
    times: Integers
    usual: dict[str, Integers]
    counts: dict[str, tuple[Integers, Integers]]
    others: dict[str, tuple[list[int], list[Any]]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.plain[0])


class RowDecoder:
    """Converts the bytes of `call` lines into blocks, and learns what rows usually have."""

    def __init__(self) -> None:
        self._decode_full: Any = decoder(Row).decode_lines
        self._components: list[str] = []
        self._counts: list[str] = []
        self._learnt: tuple[list[str], list[str], list[str]] = [], [], []
        self._layout = RowLayout()

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
            block = self._full_block(lines)
        self._learn(block)
        return block

    def check(self, line: bytes) -> None:
        """Check that a line is a usable row.

        Raises:
            msgspec.DecodeError: It is not.
        """
        _check_count(self._decode_full(line), 1)

    def _lean_block(self, lines: bytes) -> Block:
        """Decode usual rows, and others again in full."""
        layout = self._layout
        lean = layout.decode(lines)
        plain, usual = np.split(lean.integers, [len(PLAIN)])
        others = _others(lean.others.tolist(), self._decode_full(lean.other_lines))
        # Those were decoded with all rows.
        for name in ("counts", *layout.usual):
            others.pop(name, None)
        return Block(
            plain,
            layout.components,
            lean.components,
            dict(zip(layout.usual, usual, strict=True)),
            {
                name: (lean.counted[values != ABSENT], values[values != ABSENT])
                for name, values in zip(layout.counts, lean.counts, strict=True)
            },
            others,
        )

    def _full_block(self, lines: bytes) -> Block:
        rows = self._decode_full(lines)
        _check_count(rows, lines.count(b"\n"))
        plain = np.array([_plain(row) for row in rows], np.int64).reshape(-1, len(PLAIN)).T
        times = [row.components or {} for row in rows]
        self._components = _with_new(self._components, set().union(*times))
        names, table = self._table(times)
        others = _others(range(len(rows)), rows)
        if _NULL_ENERGY in lines:
            places = [place for place, line in enumerate(lines.split(b"\n")) if _NULL_ENERGY in line]
            others[NOT_FINITE] = places, [1] * len(places)
        return Block(np.maximum(plain, ABSENT), names, table, {}, {}, others)

    def _learn(self, block: Block) -> None:
        """Extend the layout by the fields that many rows of a block have, and by new names."""
        many = {name for name, (places, _) in block.others.items() if len(places) * USUAL >= len(block)}
        usual = sorted((NATURAL & many).union(self._layout.usual))
        if "counts" in block.others:
            self._counts = _with_new(self._counts, set().union(*block.others["counts"][1]))
        learnt = usual, self._components, self._counts
        if learnt != self._learnt:
            self._layout, self._learnt = RowLayout(*learnt), learnt

    def _table(self, times: list[dict[str, int]]) -> tuple[list[str], Integers]:
        """Return all names with their times; names beyond the limit are summed."""
        names, known = self._components, set(self._components)
        table = [[row.get(name, ABSENT) for name in names] for row in times]
        if any(row.keys() - known for row in times):
            names = [*names, REMAINING_COMPONENTS]
            for line, row in zip(table, times, strict=True):
                beyond = [row[name] for name in row.keys() - known]
                line.append(min(sum(beyond), LARGEST) if beyond else ABSENT)
        return names, np.array(table, np.int64).reshape(len(times), len(names)).T


def _others(places: Sequence[int], rows: list[Any]) -> dict[str, tuple[list[int], list[Any]]]:
    """Return the further fields of some rows by name: places and values."""
    found = {}
    by_field = zip(*map(_further, rows), strict=True)
    for name, values, nothing in zip(_FURTHER, by_field, _NOTHING, strict=bool(rows)):
        # Most fields are in no row of a block, and counting takes a seventh of the time of a search.
        if values.count(nothing) < len(values):
            # UNSET and None are single objects
            having = [place for place, value in enumerate(values) if value is not nothing]
            found[name] = [places[place] for place in having], [values[place] for place in having]
    return found


def _with_new(names: list[str], seen: set[str]) -> list[str]:
    """Return names with those that are new, up to the limit."""
    return names + sorted(seen.difference(names))[: MOST_COMPONENTS - len(names)]


def _check_count(rows: list[Any], lines: int) -> None:
    if len(rows) != lines:
        message = "not one row per line"
        raise msgspec.DecodeError(message)
