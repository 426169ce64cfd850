"""Sums the slices of a trace window by component, operation and shapes, as exclusive times.

A tracer's times are inclusive. Here the time of inner slices is subtracted, so that the sums of the calling
thread add up to the calls' wall time; operations of other threads are added unchanged, and device times are
kept separate.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from instrumented_calc.capture.tracing.slices import RANGE
from instrumented_calc.intervals import covered_ns
from instrumented_calc.journal.records import TracedOperation
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.capture.tracing.slices import TracedSlice

MOST_OPERATIONS = 256
MOST_COMPONENTS = 256  # each with a sum of its other operations
LONGEST_NAME = 200  # characters of an operation, a component and a list of shapes
BETWEEN = "*between operations*"

_by_start = attrgetter("start_ns")
_by_end = attrgetter("end_ns")


class Sums(NamedTuple):
    """The operations in a window.

    Attributes:
        operations: The sums, longest first.
        left_out: Kinds of operations contained in the sums `*other*` of their components.
        launches: Slices on the device; None if there are none.
        busy_ns: Time in which any of these ran; None if there are none.
        is_empty: Whether there were only ranges.
    """

    operations: list[TracedOperation]
    left_out: int
    launches: int | None
    busy_ns: int | None
    is_empty: bool


class _Sum:
    __slots__ = ("calls", "device_ns", "on_device", "on_host", "self_ns")

    def __init__(self, *, on_host: bool = False) -> None:
        self.calls = self.self_ns = self.device_ns = 0
        self.on_host = on_host
        self.on_device = False

    def add(self, other: _Sum) -> None:
        """Add another sum."""
        self.calls += other.calls
        self.self_ns += other.self_ns
        self.device_ns += other.device_ns
        self.on_host |= other.on_host
        self.on_device |= other.on_device


def sum_slices(slices: Sequence[TracedSlice]) -> Sums:
    """Sum the slices of a window.

    Args:
        slices: All slices of its calls.
    """
    summing = _Summing()
    host = [each for each in slices if not each.on_device]
    device = [each for each in slices if each.on_device]
    for track in tracks_of(host):
        summing.add_track(track, linked=bool(device))
    for each in device:
        summing.add_device(each)
    operations, left_out = summing.finished()
    is_empty = all(each.name.startswith(RANGE) for each in slices)
    if not device:
        return Sums(operations, left_out, None, None, is_empty)
    busy_ns = covered_ns((each.start_ns, each.end_ns) for each in device)
    return Sums(operations, left_out, len(device), busy_ns, is_empty)


def tracks_of(slices: Iterable[TracedSlice]) -> list[list[TracedSlice]]:
    """Return the slices of each track, outer ones before inner ones, the calls' own track first."""
    tracks: dict[int, list[TracedSlice]] = {}
    calling = None
    for each in slices:
        tracks.setdefault(each.track, []).append(each)
        if each.name == RANGE:
            calling = each.track
    for track in tracks.values():
        track.sort(key=_by_end, reverse=True)
        track.sort(key=_by_start)  # stable: of two with the same start, the longer one is the outer one
    return [tracks[name] for name in sorted(tracks, key=lambda name: name != calling)]


class _Summing:
    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], _Sum] = {}
        self._by_link: dict[int, _Sum] = {}
        # Times at which the component on the calling thread changes: work elsewhere belongs to the one open
        # then.
        self._changes: list[int] = []
        self._components: list[str] = []

    def add_track(self, slices: list[TracedSlice], *, linked: bool) -> None:
        """Add the slices of one host thread, in order; the calling thread comes first."""
        calling = not self._changes
        sums = self._sums
        stack: list[tuple[int, str, _Sum]] = []
        for each in slices:
            start, end, name = each.start_ns, each.end_ns, each.name
            while stack and start >= stack[-1][0]:
                self._leave(stack, calling=calling)
            if stack:
                outer_end, component, outer = stack[-1]
                end = min(end, outer_end)  # the clocks are not read at the same moment
                outer.self_ns -= end - start
            else:
                component = "" if calling else self._component_at(start)
            if name.startswith(RANGE):
                component = name[len(RANGE) :]
                key = component, BETWEEN, ""
                if calling:
                    self._changes.append(start)
                    self._components.append(component)
            else:
                key = component, name, each.shapes
            found = sums.get(key)
            if found is None:
                sums[key] = found = _Sum(on_host=True)
            found.calls += 1
            found.self_ns += end - start
            if linked and each.link:
                self._by_link[each.link] = found
            stack.append((end, component, found))
        while stack:
            self._leave(stack, calling=calling)

    def _leave(self, stack: list[tuple[int, str, _Sum]], *, calling: bool) -> None:
        end, component, _ = stack.pop()
        around = stack[-1][1] if stack else ""
        if calling and around != component:
            self._changes.append(end)
            self._components.append(around)

    def _component_at(self, time_ns: int) -> str:
        place = bisect_right(self._changes, time_ns) - 1
        return self._components[place] if place >= 0 else ""

    def add_device(self, each: TracedSlice) -> None:
        """Charge a device slice to the operation that launched it, or to its own name."""
        found = self._by_link.get(each.link) if each.link else None
        if found is None:
            key = self._component_at(each.start_ns), each.name, each.shapes
            found = self._sums.setdefault(key, _Sum())
            found.calls += 1
        found.on_device = True
        found.device_ns += each.end_ns - each.start_ns

    def finished(self) -> tuple[list[TracedOperation], int]:
        """Return the sums, and the number of kinds summed as `*other*`."""
        ordered = sorted(self._sums.items(), key=lambda item: -max(item[1].self_ns, item[1].device_ns))
        kept = ordered[:MOST_OPERATIONS]
        rest = ordered[MOST_OPERATIONS:]
        others: dict[str, _Sum] = {}
        for (component, _, _), each in rest:
            has_own = component in others or len(others) < MOST_COMPONENTS
            others.setdefault(component if has_own else OTHER, _Sum()).add(each)
        kept += [((component, OTHER, ""), each) for component, each in others.items()]
        return [
            TracedOperation(
                operation=operation[:LONGEST_NAME],
                calls=each.calls,
                component=component[:LONGEST_NAME],
                shapes=shapes[:LONGEST_NAME],
                self_ns=each.self_ns if each.on_host else UNSET,
                device_ns=each.device_ns if each.on_device else UNSET,
            )
            for (component, operation, shapes), each in kept
        ], len(rest)
