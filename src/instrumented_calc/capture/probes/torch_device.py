"""Times in the stream, and memory, of a torch device (CUDA, MPS), by the device's own events and counters.

Host times of a device's work say little about the device: kernels are queued, and the first to wait pays for
all. So each timed part records a pair of events in the stream, from a pool, and the pairs are read only after
the call has returned and only if they are complete: nothing here ever waits for the device. Without events
the device's times are absent.

The time between two events includes gaps in which the device waits for the host to launch the next kernel. It
is the time of the kernels only if the device is kept busy; of a small model it is nearly the host's time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.journal.records import Call

MS_NS = 1_000_000
# Device times are taken in one of so many calls: a pair of events takes some 18 us of the host (operations
# timed apart, H200, torch 2.11), and a call of Orb-v2 has 27 pairs: 1.2 % of its time on 8 atoms. A prime
# number is never in step with lists that are rebuilt every 5 or 10 calls.
EVERY = 11


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
        self._calls = 0
        self._incomplete = False

    def is_due(self) -> bool:
        """Count a call that begins, and return whether its parts are to be timed."""
        self._calls += 1
        return self._calls % EVERY == 1

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
        if not self._record(self._pairs[self._open.pop()][2]):
            self._incomplete = True  # the event still has the time of an earlier call, or none

    def _event(self) -> Any:
        return self._pool.pop() if self._pool else self._make_event()

    def read(self) -> dict[str, int]:
        """Return each part's exclusive time in the stream in ns, or nothing if it is not complete."""
        pairs, self._pairs, self._open = self._pairs, [], []
        incomplete, self._incomplete = self._incomplete, False
        events = [event for _, start, end, _ in pairs for event in (start, end)]
        self._pool += events
        if incomplete or not all(event.query() for event in events):
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
        try:
            event.record(torch.cuda.current_stream(number))
        except RuntimeError:  # a failure on the device, which the program's own next operation raises
            return False
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
                stats = cuda.memory_stats_as_nested_dict()  # the flat form costs ten times as much
                row.device_allocated_bytes = stats["allocated_bytes"]["all"]["current"]
                row.device_peak_bytes = stats["allocated_bytes"]["all"]["peak"]
                row.device_reserved_bytes = stats["reserved_bytes"]["all"]["current"]
                row.device_free_bytes = cuda.mem_get_info()[0]
            return
        mps = getattr(torch, "mps", None)
        if mps is not None and "torch.mps.event" in sys.modules and torch.backends.mps.is_available():
            with own_faults_dropped():
                row.device_allocated_bytes = mps.current_allocated_memory()
                row.device_reserved_bytes = mps.driver_allocated_memory()

    def close(self) -> None:
        """Do nothing: there are no open resources."""
