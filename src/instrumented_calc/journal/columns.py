"""The calls of a journal as columns, the input of the analysis.

One million rows take about 30 MB as columns and ten times that as objects, so rows are decoded a chunk at a
time and their fields appended here. Fields that most rows lack are stored sparsely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.journal.vocabulary import NOT_IMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# Marks a missing value: all measured values are at least 0.
ABSENT = -1
# Number of rows processed at a time where a whole column would need a second one.
BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Sparse:
    """Values of a field that few rows have.

    Attributes:
        rows: Row numbers, ascending.
        values: The values at those rows.
    """

    rows: Integers
    values: Any

    def __len__(self) -> int:
        """Return the number of rows that have the field."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Calls:
    """One entry per `call` row, in file order.

    Integer columns are -1 where a field was not measured; carried fields are filled forward. To save memory
    the integers are as narrow as 8 bits if possible: sums are safe with `.sum(dtype=np.int64)`, other
    arithmetic after `.astype(np.int64)`.

    Attributes:
        index: Number of the call in its run.
        start_ns: Start, ns on the run's clock.
        wall_ns: Duration, ns.
        gap_ns: Time since the run's previous call ended, ns.
        step: Steps completed by the driver.
        lane: Wrapped calculator.
        phase: Driver, see `Journal.phases`.
        n_atoms: Atoms.
        properties: Entry of `property_sets`.
        changes: Entry of `change_sets`.
        system: Composition, see `Journal.systems`.
        property_sets: The combinations of requested properties.
        change_sets: The combinations of changes; `()` means no changes.
        components: Exclusive time per component, ns; 0 if a call spent nothing there.
        split: Whether a row has components.
        counts: Counts of the integration, by name; -1 if a row lacks one.
        device: Time per component in the device's stream, ns; -1 if a row lacks it.
        compiled: Just-in-time compilation time by function, ns: one dict per row that has any.
        sparse: The remaining fields by name (`parent`, `rss_bytes`, `gc_ns`, ...), all integers.
        failures: Class of the exception of calls that raised.
    """

    index: Integers
    start_ns: Integers
    wall_ns: Integers
    gap_ns: Integers
    step: Integers
    lane: Integers
    phase: Integers
    n_atoms: Integers
    properties: Integers
    changes: Integers
    system: Integers
    property_sets: tuple[tuple[str, ...], ...]
    change_sets: tuple[tuple[str, ...], ...]
    components: dict[str, Integers]
    split: Mask
    counts: dict[str, Integers]
    device: dict[str, Integers]
    compiled: Sparse
    sparse: dict[str, Sparse]
    failures: Sparse

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def has(self, field: str) -> Mask:
        """Return a mask of the rows that have a sparse field."""
        mask = np.zeros(len(self), dtype=np.bool_)
        if field in self.sparse:
            mask[self.sparse[field].rows] = True
        return mask

    @property
    def nested(self) -> Mask:
        """Rows of calls made inside another recorded call."""
        return self.has("parent")

    @property
    def sliced(self) -> Mask:
        """Rows that are also counted in a `slice` record."""
        return self.has("sliced")

    @property
    def traced(self) -> Mask:
        """Rows of calls during which a trace window was open."""
        return self.has("window")

    @property
    def profiled(self) -> Mask:
        """Rows of calls that a step profile slowed, together with the gap before them."""
        return self.has("profiled")

    @property
    def raised(self) -> Mask:
        """Rows of calls that raised any exception: they have no result, and their times are not compared."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[self.failures.rows] = True
        return mask

    @property
    def failed(self) -> Mask:
        """Rows of calls that failed: they raised, and not the answer that a property is not implemented."""
        mask = self.raised
        answers = [name == NOT_IMPLEMENTED for name in self.failures.values]
        mask[self.failures.rows[np.array(answers, dtype=np.bool_)]] = False
        return mask

    @property
    def compiling(self) -> Mask:
        """Rows of calls in which something was compiled, in nested calls too."""
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[self.compiled.rows] = True
        nested = self.sparse.get("parent")
        while nested is not None and mask.any():
            around = np.isin(self.index, nested.values[mask[nested.rows]])
            if not (around & ~mask).any():
                break
            mask |= around
        return mask


class Column:
    """An integer column that grows, and changes from 32 to 64 bits when needed."""

    __slots__ = ("_fill", "_used", "_values")

    def __init__(self, capacity: int, dtype: type = np.int32, fill: int = ABSENT) -> None:
        """Reserve room; memory is only used as values arrive."""
        self._values: Any = np.empty(capacity, dtype=dtype)
        self._used = 0
        self._fill = fill

    def extend(self, values: Integers) -> None:
        """Append values, each within 64 bits."""
        begin, self._used = self._used, self._used + len(values)
        self._reserve(self._used)
        stored = self._values[begin : self._used]
        stored[:] = values
        # Cheaper than computing the extremes of every block first.
        if not (stored == values).all():
            wide = np.empty(len(self._values), np.int64)
            wide[:begin] = self._values[:begin]
            wide[begin : self._used] = values
            self._values = wide

    def put(self, rows: Integers | Sequence[int], values: Integers | Sequence[int]) -> None:
        """Append values at some rows, ascending and beyond the end, with the fill value in between."""
        self.fill_to(rows[0])
        stretch = np.full(rows[-1] - rows[0] + 1, self._fill, np.int64)
        stretch[np.array(rows) - rows[0]] = values
        self.extend(stretch)

    def fill_to(self, length: int) -> None:
        """Append the fill value until the column has this length."""
        if self._used < length:
            self._reserve(length)
            self._values[self._used : length] = self._fill
            self._used = length

    def finished(self) -> Integers:
        """Return the values."""
        found: Integers = self._values[: self._used]
        return found

    def _reserve(self, length: int) -> None:
        if length > len(self._values):
            grown = np.empty(max(length, 2 * len(self._values)), dtype=self._values.dtype)
            grown[: len(self._values)] = self._values
            self._values = grown


def narrowed(values: Integers) -> Integers:
    """Return integers in the narrowest type that fits them."""
    fitting = (kind for kind in (np.int8, np.int16, np.int32) if not len(values) or _fits(values, kind))
    return values.astype(next(fitting, np.int64))


def _fits(values: Integers, dtype: type) -> bool:
    limits = np.iinfo(dtype)
    return bool(values.max() <= limits.max and values.min() >= limits.min)
