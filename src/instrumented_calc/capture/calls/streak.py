"""Calls in a row that share a suspicious result: forces of exactly 0, or the energy of the call before."""

from __future__ import annotations

FEWEST = 8  # calls in a row: then the state is read, and whenever they have doubled


class Streak:
    """Counts such calls of a lane, and the longest row of them without another call in between.

    Args:
        first: Length of a streak with its first such call: 2 if the call is like the one before.

    Attributes:
        calls: Such calls so far, of all streaks.
        length: Length of the current streak, or of the last one.
        last_call: Number, in the run, of the last such call; -1 before the first.
    """

    __slots__ = ("_first", "_next", "_number", "calls", "last_call", "length")

    def __init__(self, *, first: int = 1) -> None:
        self._first = first
        self._next = -1  # the number of the lane's calls at which the streak continues
        self._number = 0  # streaks so far
        self.calls = self.length = 0
        self.last_call = -1

    def add(self, index: int, position: int) -> bool:
        """Count a call.

        Args:
            index: Its number in the run.
            position: The lane's calls before it.

        Returns:
            Whether to read the state.
        """
        self.calls += 1
        self.last_call = index
        continues = position == self._next
        self._next = position + 1
        if continues:
            self.length = length = self.length + 1
            if length & (length - 1):  # most calls: not a power of two
                return False
        else:
            self.length = self._first
            self._number += 1
        return self.is_due(index)

    def is_due(self, index: int) -> bool:
        """Return whether to read the state after a call: a streak begins with it, or has doubled.

        Of many streaks only the first, second, fourth, eighth ... are read at their beginning, and none if
        they begin with the second call.
        """
        if index != self.last_call:
            return False
        number, fewest = (self._number, 1) if self.length == 1 else (self.length, FEWEST)
        return number >= fewest and not number & (number - 1)
