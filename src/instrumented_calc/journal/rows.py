"""Decode `call` rows into columns, quickly.

Most rows carry nothing but the five plain fields, so those are taken from all rows at once, and
only rows with more commas than plain fields explain are looked at for the others.
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from instrumented_calc.journal.columns import ABSENT, Calls, Column, Sparse, narrowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.journal.columns import Integers

# What numpy can hold; a larger number makes the row a bad one.
_Measured = Annotated[int, Meta(ge=0, le=2**62)]
_Signed = Annotated[int, Meta(ge=-(2**62), le=2**62)]

# Names beyond this many share one column, so that invented span names cannot exhaust the memory.
MOST_COMPONENTS = 256
REMAINING_COMPONENTS = "(remaining names)"


class Row(Struct, tag="call", tag_field="event", gc=False):
    """What is kept of a `call`: `records.Call`, forgiving about all but the essentials."""

    index: _Measured
    start_ns: _Measured
    wall_ns: _Measured
    gap_ns: _Signed = ABSENT
    step: _Signed = ABSENT
    lane: _Measured | UnsetType | None = UNSET
    phase: _Measured | UnsetType | None = UNSET
    n_atoms: _Measured | UnsetType | None = UNSET
    properties: list[str] | UnsetType | None = UNSET
    changes: list[str] | UnsetType | None = UNSET
    components: dict[str, _Measured] | None = None
    parent: _Measured | None = None
    failure: str | None = None
    observers_ns: _Measured | None = None
    gc_ns: _Measured | None = None
    gc_generation: _Measured | None = None
    cpu_ns: _Measured | None = None
    rss_bytes: _Measured | None = None
    minor_faults: _Measured | None = None
    major_faults: _Measured | None = None
    preemptions: _Measured | None = None
    self_ns: _Measured | None = None
    sliced: bool | None = None


_PLAIN = ("index", "start_ns", "wall_ns", "gap_ns", "step")
_CARRIED = ("lane", "phase", "n_atoms", "properties", "changes")
_SPARSE = (
    "parent",
    "observers_ns",
    "gc_ns",
    "gc_generation",
    "cpu_ns",
    "rss_bytes",
    "minor_faults",
    "major_faults",
    "preemptions",
    "self_ns",
    "sliced",
)
_OPTIONAL = (*_CARRIED, *_SPARSE, "failure")
# Commas of a row with its event, index, start_ns and wall_ns.
_LEAST_COMMAS = 3

_plain = attrgetter(*_PLAIN)
_optional = attrgetter(*_OPTIONAL)
_NOTHING = _optional(Row(0, 0, 0))


class RowCollector:
    """Turns the bytes of `call` lines into columns."""

    def __init__(self, capacity: int) -> None:
        """Reserve room for a number of rows; more are possible."""
        self._decode_lines: Callable[[bytes], list[Row]]
        self._decode_lines = msgspec.json.Decoder(Row).decode_lines
        self._capacity = capacity
        self._count = 0
        self._plain = {
            name: Column(capacity, np.int64 if name == "start_ns" else np.int32) for name in _PLAIN
        }
        self._sets: dict[str, dict[tuple[str, ...], int]] = {"properties": {}, "changes": {}}
        self._components: dict[str, Column] = {}
        self._split = Column(capacity, np.int8, fill=0)
        self._sparse: dict[str, tuple[Column, Column]] = {}
        self._failures: tuple[list[int], list[str]] = ([], [])

    def add(self, lines: bytes) -> None:
        """Add a block of complete lines, or nothing when one of them is bad.

        Args:
            lines: One row a line, without blank lines; each line ends with a newline.

        Raises:
            msgspec.DecodeError: If a line is no usable row; no row has been added then.
        """
        rows = self._decode_lines(lines)
        text = np.frombuffer(lines, dtype=np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        if len(rows) != len(ends):
            message = "not one row a line"
            raise msgspec.DecodeError(message)
        first, self._count = self._count, self._count + len(rows)
        flat = np.fromiter(chain.from_iterable(map(_plain, rows)), np.int64, 5 * len(rows))
        plain = np.maximum(flat.reshape(-1, 5).T, ABSENT)
        for column, values in zip(self._plain.values(), plain, strict=True):
            column.extend(values)
        commas = np.diff(np.searchsorted(np.flatnonzero(text == ord(",")), ends), prepend=0)
        explained = _LEAST_COMMAS + (plain[3] != ABSENT) + (plain[4] != ABSENT)
        if lines.count(b'"energy_ev":') == len(rows):
            explained += 1
        self._add_optional(first, rows, np.flatnonzero(commas > explained).tolist())

    def _add_optional(self, first: int, rows: list[Row], rich: list[int]) -> None:
        """Add what the rows at some places have beyond the plain fields."""
        if any(rows[place].components for place in rich):
            self._add_components(first, [row.components or {} for row in rows])
        by_field: dict[str, list[tuple[int, Any]]] = {}
        for place in rich:
            values = _optional(rows[place])
            if values == _NOTHING:
                continue
            for name, value, nothing in zip(_OPTIONAL, values, _NOTHING, strict=True):
                # UNSET and None are single objects
                if value is not nothing:
                    by_field.setdefault(name, []).append((place, value))
        for place, value in by_field.pop("failure", []):
            self._failures[0].append(first + place)
            self._failures[1].append(value)
        for name, entries in by_field.items():
            numbers, measured = self._sparse.setdefault(name, (Column(0), Column(0)))
            numbers.extend(np.array([place for place, _ in entries]) + first)
            codes = [self._coded(name, value) for _, value in entries]
            measured.extend(np.array(codes, dtype=np.int64))

    def _coded(self, name: str, value: Any) -> int:
        if value is None:
            return ABSENT
        if name not in self._sets:
            return int(value)
        known = self._sets[name]
        return known.setdefault(tuple(value), len(known))

    def _add_components(self, first: int, parts: list[dict[str, int]]) -> None:
        self._split.fill_to(first)
        self._split.extend(np.array([bool(part) for part in parts]))
        room = MOST_COMPONENTS - len(self._components)
        names = set().union(*parts)
        new = sorted(names - self._components.keys())
        for name in new[:room]:
            self._components[name] = Column(self._capacity, fill=0)
        for name in names & self._components.keys():
            self._add_part(first, name, [part.get(name, 0) for part in parts])
        if beyond := set(new[room:]):
            remaining = [sum(v for name, v in part.items() if name in beyond) for part in parts]
            self._components.setdefault(REMAINING_COMPONENTS, Column(self._capacity, fill=0))
            self._add_part(first, REMAINING_COMPONENTS, remaining)

    def _add_part(self, first: int, name: str, values: list[int]) -> None:
        column = self._components[name]
        column.fill_to(first)
        column.extend(np.array(values, dtype=np.int64))

    def finished(self) -> Calls:
        """Return all columns."""
        for column in (self._split, *self._components.values()):
            column.fill_to(self._count)
        return Calls(
            **{name: column.finished() for name, column in self._plain.items()},
            **{name: self._filled_forward(name) for name in _CARRIED},
            property_sets=tuple(self._sets["properties"]),
            change_sets=tuple(self._sets["changes"]),
            components={name: column.finished() for name, column in self._components.items()},
            split=self._split.finished().view(np.bool_),
            sparse={
                name: Sparse(numbers.finished(), values.finished())
                for name, (numbers, values) in self._sparse.items()
                if name not in _CARRIED
            },
            failures=Sparse(np.array(self._failures[0], np.int64), self._failures[1]),
        )

    def _filled_forward(self, name: str) -> Integers:
        """Repeat a carried field's values until the rows that change them."""
        places, codes = self._sparse.get(name, (Column(0), Column(0)))
        edges = np.concatenate([[0], places.finished(), [self._count]])
        values = np.concatenate([[ABSENT], codes.finished()])
        return np.repeat(narrowed(values), np.diff(edges))
