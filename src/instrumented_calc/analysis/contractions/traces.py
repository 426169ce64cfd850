"""Contents of trace windows: operations by component, and the cost of the windows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import TracedOperation, TraceWindow


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of operation in all windows; a time in ns is None if it was not measured."""

    component: str
    name: str
    shapes: str
    calls: int
    self_ns: int | None
    device_ns: int | None


@dataclass(frozen=True, slots=True)
class TraceUse:
    """The trace windows of a run.

    Attributes:
        windows: Their records.
        calls: Calls in them.
        wall_ns: Sum of the durations of these calls, ns.
        extra_ns: Excess over the same number of median calls, ns; None without such calls.
        profiler_ns: Time to start, stop and sum the traces, ns: outside calls, part of the profiler's time.
        operations: All operations, longest on the host first.
        launches: Kernels and copies on the device; None if there are none.
        device_busy_ns: Time in which at least one of these ran, ns; None if there are none.
    """

    windows: tuple[TraceWindow, ...]
    calls: int
    wall_ns: int
    extra_ns: float | None
    profiler_ns: int
    operations: list[Operation]
    launches: int | None
    device_busy_ns: int | None

    def by_component(self) -> dict[str, list[Operation]]:
        """Return the operations of each component, the component with the most host time first."""
        found: dict[str, list[Operation]] = {}
        for each in self.operations:
            found.setdefault(each.component, []).append(each)
        return dict(sorted(found.items(), key=lambda item: -host_ns(item[1])))


def host_ns(operations: Iterable[Operation]) -> int:
    """Return the sum of the exclusive host times of operations, ns."""
    return sum(each.self_ns or 0 for each in operations)


def device_ns(operations: Iterable[Operation]) -> int:
    """Return the sum of the device times of operations, ns."""
    return sum(each.device_ns or 0 for each in operations)


def measure_traces(journal: Journal, median_ns: float | None) -> TraceUse | None:
    """Return the contents of a run's trace windows, or None if there are none.

    Args:
        journal: The journal.
        median_ns: Median duration of the steady calls, which exclude windows; None if there are none.
    """
    windows = tuple(each for each in journal.traces if each.calls)  # windows without calls are never written
    if not windows:
        return None
    wall = sum(each.wall_ns for each in windows)
    calls = sum(each.calls for each in windows)
    launches = [each.launches for each in windows if isinstance(each.launches, int)]
    busy = [each.device_busy_ns for each in windows if isinstance(each.device_busy_ns, int)]
    return TraceUse(
        windows=windows,
        calls=calls,
        wall_ns=wall,
        extra_ns=None if median_ns is None else wall - calls * median_ns,
        profiler_ns=sum(each.profiler_ns for each in windows),
        operations=_merged(each for window in windows for each in window.operations),
        launches=sum(launches) if launches else None,
        device_busy_ns=sum(busy) if busy else None,
    )


def _merged(operations: Iterable[TracedOperation]) -> list[Operation]:
    sums: dict[tuple[str, str, str], tuple[int, int | None, int | None]] = {}
    for each in operations:
        key = each.component, each.operation, each.shapes
        calls, own, device = sums.get(key, (0, None, None))
        if isinstance(each.self_ns, int):
            own = (own or 0) + each.self_ns
        if isinstance(each.device_ns, int):
            device = (device or 0) + each.device_ns
        sums[key] = calls + each.calls, own, device
    merged = [Operation(*key, *values) for key, values in sums.items()]
    return sorted(merged, key=lambda each: (-(each.self_ns or 0), -(each.device_ns or 0)))
