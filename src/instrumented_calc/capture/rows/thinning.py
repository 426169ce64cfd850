"""Keeps a journal bounded: beyond its limit, exact sums per interval instead of one row per call.

Totals stay exact: every call is in one slice. Rows of slow and failed calls, and one sampled row per
interval, are still written in full, marked `sliced`. An interval is one second at first; each time half of
the remaining room is used, it becomes eight times as long: the usual room lasts for years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from instrumented_calc.journal.records import HISTOGRAM_BITS, Slice
from instrumented_calc.journal.vocabulary import NOT_IMPLEMENTED

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call

FIRST_STRETCH_NS = 1_000_000_000
WHOLE_ROWS = 8  # slow or failed calls of a slice that are still written as rows
OWN_SLICES = 4  # drivers per interval with their own slice; further ones share one
SLOW = 5  # times the mean of the previous stretch: far beyond healthy tails (p99.9 of CV 25 % is 2)


class OpenSlice:
    """The calls of one driver in the current interval."""

    __slots__ = ("histogram", "slice")

    def __init__(self, start_ns: int, phase: int | None) -> None:
        self.histogram: dict[int, int] = {}
        self.slice = Slice(
            start_ns=start_ns,
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
        if phase is not None:
            self.slice.phase = phase


class Thinner:
    """Sums calls into slices.

    Args:
        room: Bytes available for slices and full rows.
    """

    def __init__(self, room: int) -> None:
        self._room = self._left = max(room, 1)
        self._slow_ns = 0
        self._stretch_ns = FIRST_STRETCH_NS
        self._parts: dict[int | None, OpenSlice] = {}
        self._start: int | None = None
        self._whole = 0
        self._sampled = False

    def add(self, row: Call, phase: int | None, changes: object, n_atoms: int | None) -> bool:
        """Count one call.

        Args:
            row: The call.
            phase: The phase of the call.
            changes: Its system_changes, or None if unknown.
            n_atoms: Its number of atoms, or None.

        Returns:
            Whether the row is to be written in full as well.
        """
        known = self._parts.get(phase)
        if known is None:
            known = self._part(row.start_ns, phase)
        part = known.slice
        part.end_ns = max(part.end_ns, row.start_ns + row.wall_ns)
        part.start_ns = min(part.start_ns, row.start_ns)  # an outer call ends after the inner one
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
            part.not_implemented += row.failure == NOT_IMPLEMENTED
            return self._show()
        _add_times(known, row, n_atoms)
        if self._slow_ns and row.wall_ns > self._slow_ns:
            return self._show()
        if row.rss_bytes is not UNSET and not self._sampled:
            self._sampled = True
            return True
        return False

    def _part(self, start_ns: int, phase: int | None) -> OpenSlice:
        if self._start is None:
            self._start = start_ns
        if len(self._parts) >= OWN_SLICES:
            phase = None
        part = self._parts.get(phase)
        if part is None:
            part = self._parts[phase] = OpenSlice(start_ns, phase)
        return part

    def _show(self) -> bool:
        self._whole += 1
        return self._whole <= WHOLE_ROWS

    def due(self, now_ns: int) -> bool:
        """Return whether the interval of the open slices has passed."""
        start = self._start
        return start is not None and now_ns - start >= self._stretch_ns

    def spent(self, size: int) -> None:
        """Subtract written bytes from the available room."""
        self._left -= size
        halvings = (self._room // max(self._left, 1)).bit_length() - 1
        self._stretch_ns = FIRST_STRETCH_NS << 3 * max(halvings, 0)

    def so_far(self) -> list[Slice]:
        """Return the current content of the open slices; they stay open."""
        return [
            msgspec.structs.replace(part.slice, histogram=sorted(part.histogram.items()))
            for part in self._parts.values()
        ]

    def close_into(self, out: list[Any], *, passed: int) -> bool:
        """Close the open slices, one for each phase.

        Args:
            out: List that receives them at the moment they are removed here.
            passed: Calls of the run so far.

        Returns:
            Whether there was a call since the last slices.
        """
        slices = []
        wall = timed = 0
        for part in self._parts.values():
            part.slice.histogram = sorted(part.histogram.items())
            part.slice.passed = passed
            slices.append(part.slice)
            wall += part.slice.wall_ns
            timed += part.slice.calls - part.slice.failed
        if timed:
            self._slow_ns = SLOW * wall // timed
        # No function is called from here on, so a Ctrl-C finds the slices in exactly one place.
        out += slices
        self._parts = {}
        self._start = None
        self._whole = 0
        self._sampled = False
        return bool(slices)


def _add_times(known: OpenSlice, row: Call, n_atoms: int | None) -> None:
    part = known.slice
    wall = row.wall_ns
    part.wall_ns += wall
    part.squares_ns2 += wall * wall
    if not part.max_ns or wall < part.min_ns:
        part.min_ns = wall
    part.max_ns = max(part.max_ns, wall)
    if row.gap_ns is not UNSET:
        part.gap_ns += row.gap_ns
    if n_atoms is not None:
        part.atom_calls += n_atoms
    # The bucket, see `Slice.histogram`; not a function, since this runs for every call.
    shift = wall.bit_length() - HISTOGRAM_BITS - 1
    bucket = wall if shift <= 0 else (shift << HISTOGRAM_BITS) + (wall >> shift)
    histogram = known.histogram
    histogram[bucket] = histogram.get(bucket, 0) + 1
    if row.components is not UNSET:
        sums = part.components
        if sums is UNSET:
            part.components = sums = {}
        for name, elapsed in row.components.items():
            sums[name] = sums.get(name, 0) + elapsed
