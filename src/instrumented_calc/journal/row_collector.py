"""Collect decoded rows into columns, a block at a time."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.journal.columns import ABSENT, Calls, Column, Sparse, narrowed
from instrumented_calc.journal.row_decoder import MOST_COMPONENTS, RowDecoder
from instrumented_calc.journal.row_order import kept, misplaced, repeats
from instrumented_calc.journal.row_types import CARRIED, PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Integers
    from instrumented_calc.journal.row_decoder import Block

# Integer fields by name.
_NAMED = ("counts", "device_ns")
# Fields kept unchanged.
_WHOLE = ("failure", "compile_ns")


class RowCollector:
    """Converts the bytes of `call` lines into columns.

    Attributes:
        count: Rows added so far.
        repeated: Rows dropped because their call already has a row; known once the columns are finished.
        conflicting: Number of these that contradict the kept row.
        misplaced: Rows in blocks that are out of order.
    """

    def __init__(self, capacity: int) -> None:
        """Reserve room for a number of rows; more may follow."""
        self._decoder = RowDecoder()
        self._capacity = capacity
        self.count = 0
        self.repeated = self.conflicting = self.misplaced = 0
        self._plain = {name: Column(capacity, np.int64 if name == "start_ns" else np.int32) for name in PLAIN}
        self._sets: dict[str, dict[tuple[str, ...], int]] = {"properties": {}, "changes": {}}
        self._components: dict[str, Column] = {}
        self._split = Column(capacity, np.int8, fill=0)
        # Row numbers and values of the fields that few rows have.
        self._sparse: dict[str, tuple[array[int], array[int]]] = {}
        self._named: dict[str, dict[str, Column]] = {field: {} for field in _NAMED}
        self._whole: dict[str, tuple[list[int], list[Any]]] = {field: ([], []) for field in _WHOLE}

    def check(self, line: bytes) -> None:
        """Check that a line is a usable row.

        Raises:
            msgspec.DecodeError: It is not.
        """
        self._decoder.check(line)

    def add(self, lines: bytes, gaps: Sequence[int] = ()) -> int:
        """Add a block of complete lines, or nothing if one of them is bad.

        Args:
            lines: One row per line, without blank lines; each line ends with a newline.
            gaps: Rows of the block, ascending, before which lines are missing.

        Returns:
            The number of rows.

        Raises:
            msgspec.DecodeError: If a line is not a usable row; no row has been added then.
        """
        block = self._decoder.decode(lines)
        first = self.count
        for gap in gaps:
            self.forget(gap)
        self.count += len(block)
        for column, values in zip(self._plain.values(), block.plain, strict=True):
            column.extend(values)
        if block.names:
            self._add_components(first, block)
        for name, values in block.usual.items():
            self._add_usual(name, first, values)
        for name, (places, values) in block.counts.items():
            if len(places):
                self._add_counts(name, first + places, values)
        for name, (numbers, found) in block.others.items():
            self._add_field(name, [first + number for number in numbers], found)
        return len(block)

    @property
    def has_first(self) -> bool:
        """Whether the run's first call already has a row."""
        return bool((self._plain["index"].finished() == 0).any())

    def forget(self, ahead: int = 0) -> None:
        """Note that lines are missing here: carried fields are unknown until a row has them again.

        Args:
            ahead: Number of rows that are added before the missing lines.
        """
        for name in CARRIED:
            self._add_sparse(name, [self.count + ahead], [ABSENT])

    def _add_components(self, first: int, block: Block) -> None:
        for name, times in zip(block.names, np.maximum(block.times, 0), strict=True):
            if name not in self._components:
                self._components[name] = Column(self._capacity, fill=0)
            self._components[name].fill_to(first)
            self._components[name].extend(times)
        self._split.fill_to(first)
        self._split.extend((block.times != ABSENT).any(axis=0))

    def _add_usual(self, name: str, first: int, values: Integers) -> None:
        """Add a field of some rows, -1 if one lacks it."""
        places = np.flatnonzero(values != ABSENT)
        if len(places):
            known_numbers, known_values = self._sparse.setdefault(name, (array("q"), array("q")))
            known_numbers.frombytes((places + first).tobytes())
            known_values.frombytes(values[places].tobytes())

    def _add_counts(self, name: str, rows: Integers, values: Integers) -> None:
        """Add a count of some rows; names beyond the limit are dropped."""
        columns = self._named["counts"]
        if name not in columns and len(columns) < MOST_COMPONENTS:
            columns[name] = Column(self._capacity)
        if name in columns:
            columns[name].put(rows, values)

    def _add_field(self, name: str, numbers: list[int], values: Sequence[Any]) -> None:
        if name in self._whole:
            self._whole[name][0].extend(numbers)
            self._whole[name][1].extend(values)
            return
        if name in self._named:
            self._add_named(self._named[name], numbers, values)
            return
        if name in self._sets:
            values = [self._coded(self._sets[name], value) for value in values]
        self._add_sparse(name, numbers, values)

    def _add_sparse(self, name: str, numbers: list[int], values: Sequence[Any]) -> None:
        known_numbers, known_values = self._sparse.setdefault(name, (array("q"), array("q")))
        known_numbers.extend(numbers)
        known_values.extend([ABSENT if value is None else value for value in values])

    def _add_named(
        self, columns: dict[str, Column], numbers: list[int], values: Sequence[dict[str, int]]
    ) -> None:
        """Add named values of the rows; names beyond the limit are dropped."""
        new = sorted(set().union(*values) - columns.keys())
        for name in new[: MOST_COMPONENTS - len(columns)]:
            columns[name] = Column(self._capacity)
        for name, column in columns.items():
            places = [place for place, row in enumerate(values) if name in row]
            if places:
                found = [max(values[place][name], ABSENT) for place in places]
                column.put([numbers[place] for place in places], found)

    def _coded(self, known: dict[tuple[str, ...], int], value: list[str] | None) -> int | None:
        return None if value is None else known.setdefault(tuple(value), len(known))

    def finished(self) -> Calls:
        """Return all columns, each call once."""
        plain = {name: column.finished() for name, column in self._plain.items()}
        self.misplaced, breaks = misplaced(plain["index"], plain["start_ns"], plain["wall_ns"])
        calls = self._calls(plain, breaks)
        keep, self.conflicting = repeats(calls)
        if keep is None:
            return calls
        self.repeated = len(calls) - int(keep.sum()) - self.conflicting
        return kept(calls, keep)

    def _calls(self, plain: dict[str, Integers], breaks: Integers) -> Calls:
        named = [column for columns in self._named.values() for column in columns.values()]
        for column in (self._split, *self._components.values(), *named):
            column.fill_to(self.count)
        return Calls(
            **plain,
            **{name: self._filled_forward(name, breaks) for name in CARRIED},
            property_sets=tuple(self._sets["properties"]),
            change_sets=tuple(self._sets["changes"]),
            components=_finished(self._components),
            split=self._split.finished().view(np.bool_),
            counts=_finished(self._named["counts"]),
            device=_finished(self._named["device_ns"]),
            compiled=_sparse(*self._whole["compile_ns"]),
            sparse={
                name: Sparse(np.frombuffer(numbers, np.int64), np.frombuffer(values, np.int64))
                for name, (numbers, values) in self._sparse.items()
                if name not in CARRIED
            },
            failures=_sparse(*self._whole["failure"]),
        )

    def _filled_forward(self, name: str, breaks: Integers) -> Integers:
        """Repeat a carried field's values up to the next row that changes them, or a break in order."""
        numbers, codes = self._sparse.get(name, ((), ()))
        changes = np.concatenate([breaks, np.array(numbers, np.int64)])
        values = np.concatenate([np.full(len(breaks), ABSENT), np.array(codes, np.int64)])
        # At the same row the row's own value comes last.
        order = np.argsort(changes, kind="stable")
        changes, values = changes[order], values[order]
        edges = np.concatenate([[0], changes, [self.count]])
        return np.repeat(narrowed(np.concatenate([[ABSENT], values])), np.diff(edges))


def _finished(columns: dict[str, Column]) -> dict[str, Integers]:
    return {name: column.finished() for name, column in columns.items()}


def _sparse(rows: list[int], values: list[Any]) -> Sparse:
    return Sparse(np.array(rows, np.int64), values)
