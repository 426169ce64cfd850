"""Keeps a journal bounded: past its limit, exact sums per stretch of time instead of a row a call.

Totals stay exact: every call is in one slice. Rows of slow calls and failures, and one sampled row a slice,
are still written whole, marked `sliced`. The stretch is one second at first and doubles each time half
of the remaining room is used, so that the room never runs out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from instrumented_calc.journal.records import HISTOGRAM_BITS, Slice

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call

FIRST_STRETCH_NS = 1_000_000_000
WHOLE_ROWS = 8  # slow or failed calls that a slice still shows as rows
SLOW = 5  # times the mean of the previous slice: far beyond healthy tails (p99.9 of CV 25 % is 2)


class Thinner:
    """Sums calls into slices.

    Args:
        room: Bytes that slices and whole rows may still take.
    """

    def __init__(self, room: int) -> None:
        self._room = self._left = max(room, 1)
        self._slow_ns = 0
        self._clear()

    def _clear(self) -> None:
        self._slice: Slice | None = None
        self._histogram: dict[int, int] = {}
        self._whole = 0
        self._sampled = False

    def add(self, row: Call, changes: object, n_atoms: int | None) -> bool:
        """Count one call.

        Args:
            row: The call.
            changes: Its system_changes, or None if they are not known.
            n_atoms: Its number of atoms, or None.

        Returns:
            Whether the row is to be written whole as well.
        """
        part = self._slice
        if part is None:
            part = self._open(row)
        part.end_ns = row.start_ns + row.wall_ns
        if row.parent is not UNSET:
            part.nested += 1
            return False
        part.calls += 1
        if changes is not None and not changes:
            part.unchanged += 1
        if row.step is not UNSET:
            part.last_step = row.step
            if part.first_step is UNSET:
                part.first_step = row.step
        if row.observers_ns is not UNSET:
            part.observers_ns = (part.observers_ns or 0) + row.observers_ns
        if row.failure is not UNSET:
            part.failed += 1
            return self._show()
        self._add_times(part, row, n_atoms)
        if self._slow_ns and row.wall_ns > self._slow_ns:
            return self._show()
        if row.rss_bytes is not UNSET and not self._sampled:
            self._sampled = True
            return True
        return False

    def _open(self, row: Call) -> Slice:
        self._slice = Slice(
            start_ns=row.start_ns,
            end_ns=0,
            calls=0,
            nested=0,
            failed=0,
            unchanged=0,
            wall_ns=0,
            gap_ns=0,
            min_ns=0,
            max_ns=0,
            squares_ns2=0.0,
            atom_calls=0,
            histogram=[],
        )
        return self._slice

    def _add_times(self, part: Slice, row: Call, n_atoms: int | None) -> None:
        wall = row.wall_ns
        part.wall_ns += wall
        part.squares_ns2 += wall * wall
        if not part.max_ns or wall < part.min_ns:
            part.min_ns = wall
        if wall > part.max_ns:
            part.max_ns = wall
        if row.gap_ns is not UNSET:
            part.gap_ns += row.gap_ns
        if n_atoms is not None:
            part.atom_calls += n_atoms
        # bucket_of, inlined: this runs for every call
        shift = wall.bit_length() - HISTOGRAM_BITS - 1
        bucket = wall if shift <= 0 else (shift << HISTOGRAM_BITS) + (wall >> shift)
        self._histogram[bucket] = self._histogram.get(bucket, 0) + 1
        if row.components is not UNSET:
            sums = part.components
            if sums is UNSET:
                part.components = sums = {}
            for name, elapsed in row.components.items():
                sums[name] = sums.get(name, 0) + elapsed

    def _show(self) -> bool:
        self._whole += 1
        return self._whole <= WHOLE_ROWS

    def due(self, now_ns: int) -> bool:
        """Tell whether the slice that is open has lasted its stretch."""
        halvings = (self._room // max(self._left, 1)).bit_length() - 1
        part = self._slice
        return part is not None and now_ns - part.start_ns >= FIRST_STRETCH_NS << max(halvings, 0)

    def spent(self, size: int) -> None:
        """Take what was written from the room that is left."""
        self._left -= size

    def take(self, phase: int | None) -> Slice | None:
        """Close the open slice.

        Args:
            phase: The phase that its calls belong to.

        Returns:
            The slice, or None if there was no call since the last one.
        """
        part = self._slice
        if part is None:
            return None
        if phase is not None:
            part.phase = phase
        part.histogram = sorted(self._histogram.items())
        timed = part.calls - part.failed
        if timed:
            self._slow_ns = SLOW * part.wall_ns // timed
        self._clear()
        return part
