"""Busy times and memory of a torch device (CUDA, MPS), by the device's own events and counters.

Host times of a device's work are not its busy times: kernels are queued, and the first to wait pays for all.
So each timed part records a pair of events in the stream, from a pool, and the pairs are read only after the
call has returned and only if they are complete: nothing here ever waits for the device. Without events the
device's times are absent.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.journal.records import Call

MS_NS = 1_000_000


class DeviceTimes:
    """Pairs of events around the parts of one calculator's calls.

    Args:
        make_event: Creates an event that can be recorded, queried and compared in ms.
        record: Records an event in the current stream; returns False if that is impossible now.
    """

    def __init__(self, make_event: Callable[[], Any], record: Callable[[Any], bool]) -> None:
        self._make_event = make_event
        self._record = record
        self._pool: list[Any] = []
        # name, start, end, and the place of the enclosing pair
        self._pairs: list[tuple[str, Any, Any, int]] = []
        self._open: list[int] = []

    def enter(self, name: str) -> bool:
        """Mark the start of a part in the stream; return whether that was possible."""
        start, end = self._event(), self._event()
        if not self._record(start):
            self._pool += [start, end]
            return False
        self._pairs.append((name, start, end, self._open[-1] if self._open else -1))
        self._open.append(len(self._pairs) - 1)
        return True

    def leave(self) -> None:
        """Mark the end of the part that was entered last."""
        self._record(self._pairs[self._open.pop()][2])

    def _event(self) -> Any:
        return self._pool.pop() if self._pool else self._make_event()

    def read(self) -> dict[str, int]:
        """Return the exclusive busy time of each part in ns, or nothing if the device has not finished."""
        pairs, self._pairs, self._open = self._pairs, [], []
        events = [event for _, start, end, _ in pairs for event in (start, end)]
        self._pool += events
        if not all(event.query() for event in events):
            return {}
        times = [round(start.elapsed_time(end) * MS_NS) for _, start, end, _ in pairs]
        exclusive = times.copy()
        for elapsed, (_, _, _, outer) in zip(times, pairs, strict=True):
            if outer >= 0:
                exclusive[outer] -= elapsed
        sums: dict[str, int] = {}
        for elapsed, (name, _, _, _) in zip(exclusive, pairs, strict=True):
            sums[name] = sums.get(name, 0) + max(elapsed, 0)
        return sums


def device_times(device: str) -> DeviceTimes | None:
    """Return the timer of a device's work, or None if no such device is in use.

    Args:
        device: The model's device as named by its integration: `cuda`, `cuda:1`, `mps`, `cpu`, ...
    """
    torch: Any = sys.modules.get("torch")
    kind, _, index = device.partition(":")
    if torch is None or kind not in ("cuda", "mps"):
        return None
    if kind == "mps":
        return DeviceTimes(lambda: torch.mps.event.Event(enable_timing=True), _recorded)
    if not torch.cuda.is_initialized():
        return None
    number = int(index) if index else torch.cuda.current_device()

    def record(event: Any) -> bool:
        if torch.cuda.is_current_stream_capturing():
            return False
        event.record(torch.cuda.current_stream(number))
        return True

    return DeviceTimes(lambda: torch.cuda.Event(enable_timing=True), record)


def _recorded(event: Any) -> bool:
    event.record()
    return True


class DeviceMemoryProbe:
    """Reads the memory of the devices that torch uses in this process: allocated, reserved and free."""

    def sample(self, row: Call) -> None:
        """Set the sampled fields of a row, if there is such a device.

        Args:
            row: The row. Free memory is that of the device, shared by all processes; the rest is torch's
                own.
        """
        torch: Any = sys.modules.get("torch")
        cuda = getattr(torch, "cuda", None)
        if cuda is not None and cuda.is_initialized():
            with own_faults_dropped():
                stats = cuda.memory_stats()
                row.device_allocated_bytes = stats["allocated_bytes.all.current"]
                row.device_reserved_bytes = stats["reserved_bytes.all.current"]
                row.device_free_bytes = cuda.mem_get_info()[0]
            return
        mps = getattr(torch, "mps", None)
        if mps is not None and "torch.mps.event" in sys.modules and torch.backends.mps.is_available():
            with own_faults_dropped():
                row.device_allocated_bytes = mps.current_allocated_memory()
                row.device_reserved_bytes = mps.driver_allocated_memory()

    def close(self) -> None:
        """Do nothing: there are no open resources."""
