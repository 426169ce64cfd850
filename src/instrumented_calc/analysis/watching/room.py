"""Memory of a run in progress: how much, of how much, and when it will be full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.post_mortem import memory_readings
from instrumented_calc.analysis.watching.resistant_line import resistant_line

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.observed_run import ObservedRun
    from instrumented_calc.analysis.watching.series import TimePoint

# Growth is worth a warning if it is beyond the scatter and would fill the memory within a month.
FLUCTUATIONS = 3.0
LEAST_GROWTH = 0.01  # of the resident memory, over the time seen: less is start-up and caches
LONGEST_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """Memory of a run, bytes; None where it was not measured.

    Attributes:
        resident: Resident memory of the process, newest.
        used: Memory in use of what has the limit: the job's control group, or the machine.
        limit: The limit nearest to being reached.
        bytes_per_s: Growth of the resident memory; None if it does not grow steadily.
        full_in_s: Time until the limit is reached at this growth.
        device_allocated: Device memory allocated to tensors.
        device_reserved: Device memory reserved by the allocator.
        device_free: Free device memory.
    """

    resident: int | None = None
    used: int | None = None
    limit: int | None = None
    bytes_per_s: float | None = None
    full_in_s: float | None = None
    device_allocated: int | None = None
    device_reserved: int | None = None
    device_free: int | None = None


def memory_room(run: ObservedRun) -> MemoryRoom:
    """Return the memory of a run."""
    points = run.resident.points()
    physical = run.start.environment.memory_bytes if run.start is not None else 0
    readings = memory_readings(run.machines[-1], physical or 0) if run.machines else []
    used, limit = max(readings, key=lambda pair: pair[0] / pair[1], default=(None, None))
    growth = _growth(points)
    full = None
    if growth is not None and used is not None and limit is not None:
        seconds = max(limit - used, 0.0) / growth
        full = seconds if seconds <= LONGEST_S else None
    device = {
        name: next(
            (value for row in reversed(run.rows) if isinstance(value := getattr(row, field), int)), None
        )
        for name, field in (
            ("device_allocated", "device_allocated_bytes"),
            ("device_reserved", "device_reserved_bytes"),
            ("device_free", "device_free_bytes"),
        )
    }
    return MemoryRoom(
        resident=int(points[-1].value) if points else None,
        used=None if used is None else int(used),
        limit=None if limit is None else int(limit),
        bytes_per_s=growth,
        full_in_s=full,
        **device,
    )


def _growth(points: list[TimePoint]) -> float | None:
    """Return the steady growth in bytes per second: over the second half, as start-up grows in any run."""
    later = points[len(points) // 2 :]
    line = resistant_line(later)
    if line is None or not line.straight or line.slope <= 0:
        return None
    if line.change < max(FLUCTUATIONS * line.scatter, LEAST_GROWTH * later[-1].value):
        return None
    return line.slope * 1e9
