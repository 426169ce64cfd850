"""Points of a quantity over time, in bounded memory."""

from __future__ import annotations

from typing import NamedTuple

MOST = 512


class TimePoint(NamedTuple):
    """One value.

    Attributes:
        at: Time on the run's clock, ns, or a step.
        value: The value at that time.
    """

    at: float
    value: float


class Series:
    """Points in any order of arrival, evenly thinned when there are many.

    Args:
        most: Points kept; up to twice as many in between.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._points: list[TimePoint] = []
        self._sorted = True

    def add(self, at: float, value: float) -> None:
        """Add a point."""
        self._sorted = self._sorted and (not self._points or at >= self._points[-1].at)
        self._points.append(TimePoint(at, value))
        if len(self._points) >= 2 * self._most:
            self._points = _thinned(self.points(), self._most)

    def points(self) -> list[TimePoint]:
        """Return all points in order."""
        if not self._sorted:
            self._points.sort()
            self._sorted = True
        return self._points


def _thinned(points: list[TimePoint], most: int) -> list[TimePoint]:
    """Return the middle value of each of many equal intervals, and always the first and the newest point."""
    first, last = points[0], points[-1]
    width = (last.at - first.at) / most or 1.0
    groups: dict[int, list[TimePoint]] = {}
    for point in points[1:-1]:
        groups.setdefault(int((point.at - first.at) / width), []).append(point)
    kept = [sorted(group, key=lambda each: each.value)[len(group) // 2] for group in groups.values()]
    return [first, *kept, last]
