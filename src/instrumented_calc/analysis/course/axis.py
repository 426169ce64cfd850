"""The horizontal axis of all plots over the course of a run: steps of the driver, or calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from instrumented_calc.analysis.step_numbers import number_steps
from instrumented_calc.analysis.timing.latency import in_order
from instrumented_calc.journal.columns import BLOCK_ROWS
from instrumented_calc.journal.records import LARGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Calls, Integers
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Slice

MOST_BINS = 400


@dataclass(frozen=True, slots=True)
class Axis:
    """Positions along a run, divided into bins of equal width.

    Attributes:
        name: `step` where a single driver counts them, otherwise `call`.
        low: First position.
        high: Last position.
        bins: Number of bins.
        positions: Position of each row of the journal.
        steps: Step that each row belongs to, -1 if unknown.
        before: Difference of the step of a call from the number of completed steps: 1 in MD.
        times_ns: Starts of the outermost calls, ascending.
        places: Their positions.
    """

    name: Literal["step", "call"]
    low: int
    high: int
    bins: int
    positions: Integers
    steps: Integers
    before: int
    times_ns: Integers
    places: Integers

    @property
    def width(self) -> int:
        """Number of positions."""
        return self.high - self.low + 1

    def bin_of(self, positions: Integers) -> Integers:
        """Return the numbers of the bins of some positions."""
        found: Integers = np.empty(len(positions), np.int32)
        for at in range(0, len(positions), BLOCK_ROWS):
            block = np.clip(positions[at : at + BLOCK_ROWS], self.low, self.high).astype(np.int64)
            found[at : at + BLOCK_ROWS] = self._bin_of(block)
        return found

    def _bin_of(self, block: Integers) -> Integers:
        if self.width * self.bins < LARGEST:
            return (block - self.low) * self.bins // self.width
        # A damaged number beyond any run: the product would overflow, and the bins would no longer ascend.
        shares = (block.astype(np.float64) - self.low) / self.width
        return np.minimum(shares * self.bins, self.bins - 1).astype(np.int64)

    def first_of(self, number: int) -> int:
        """Return the first position of a bin; of the one after the last, the end of the axis."""
        return self.low + -(-number * self.width // self.bins)

    def at_time(self, time_ns: float) -> int:
        """Return the position at a time on the run's clock, as far as the rows tell it."""
        if not len(self.times_ns):
            return self.low
        place = int(np.searchsorted(self.times_ns, time_ns, side="right")) - 1
        return int(self.places[max(place, 0)])

    def of_call(self, calls: Calls, index: int) -> int | None:
        """Return the position of a call by its number, or None if its row is not in the journal."""
        if self.name == "call":
            return index
        row = int(np.searchsorted(calls.index, index))  # one driver: the rows are in order of their numbers
        return int(self.positions[row]) if row < len(calls) and calls.index[row] == index else None

    def of_slice(self, each: Slice) -> tuple[int, int]:
        """Return the first and last position of a thinned interval."""
        if self.name == "step" and isinstance(each.first_step, int) and isinstance(each.last_step, int):
            return each.first_step + self.before, each.last_step + self.before
        if self.name == "call" and isinstance(each.passed, int):
            return max(each.passed - each.calls - each.nested, 0), max(each.passed - 1, 0)
        return self.at_time(each.start_ns), self.at_time(each.end_ns)


def find_axis(journal: Journal, most_bins: int = MOST_BINS) -> Axis | None:
    """Return the axis of a run, or None if no outermost call is recorded.

    Args:
        journal: The journal.
        most_bins: Largest number of bins.
    """
    calls = journal.calls
    rows = in_order(calls, ~calls.nested)
    if not len(rows) and not journal.slices:
        return None
    steps = number_steps(journal)
    stepping = _counts_steps(journal, steps[rows])
    positions = steps if stepping else calls.index
    places = positions[rows]
    before = 1 if any(each.kind == "md" for each in journal.phases.values()) else 0
    edges = [*_ends(places), *_slice_ends(journal.slices, before, stepping=stepping)]
    low, high = (min(edges), max(edges)) if edges else (0, 0)
    return Axis(
        name="step" if stepping else "call",
        low=low,
        high=high,
        bins=max(min(most_bins, high - low + 1), 1),
        positions=positions,
        steps=steps,
        before=before,
        times_ns=calls.start_ns[rows],
        places=places,
    )


def _counts_steps(journal: Journal, steps: Integers) -> bool:
    """Return whether one driver made all outermost calls, and their steps only grow."""
    if len(journal.phases) != 1 or len(journal.lanes) > 1 or not len(steps):
        return False
    return bool(steps.min() >= 0 and steps.max() > 0 and not np.any(steps[1:] < steps[:-1]))


def _ends(places: Integers) -> list[int]:
    return [int(places.min()), int(places.max())] if len(places) else []


def _slice_ends(slices: Sequence[Slice], before: int, *, stepping: bool) -> list[int]:
    if not stepping:
        return [each.passed for each in slices if isinstance(each.passed, int)]
    ends = [step for each in slices for step in (each.first_step, each.last_step)]
    return [step + before for step in ends if isinstance(step, int)]
