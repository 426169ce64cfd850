"""Device utilisation in steady calls, by the device's clock: never added to host times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls, Integers


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """The steady calls that have device times.

    Attributes:
        calls: Number of these calls.
        wall_ns: Sum of their durations on the host, ns.
        stream_ns: Sum of the time in the device's stream per component, ns, longest first; gaps in which
            the device waited for the host are included.
        rest_ns: The rest of the wall time, ns; None if components ran concurrently and sum to more than it.
    """

    calls: int
    wall_ns: int
    stream_ns: dict[str, int]
    rest_ns: int | None


def measure_device(calls: Calls, steady: Integers) -> DeviceUse | None:
    """Return the device's use, or None if no steady call has device times.

    Args:
        calls: The columns.
        steady: Row numbers of the steady calls.
    """
    times = {name: column[steady] for name, column in calls.device.items()}
    measured = np.zeros(len(steady), np.bool_)
    for column in times.values():
        measured |= column >= 0
    if not measured.any():
        return None
    # A component absent from a row with device times did not run in that call.
    sums = {name: int(column.sum(dtype=np.int64, where=column > 0)) for name, column in times.items()}
    wall = int(calls.wall_ns[steady].sum(dtype=np.int64, where=measured))
    rest = wall - sum(sums.values())
    return DeviceUse(
        calls=int(measured.sum()),
        wall_ns=wall,
        stream_ns=dict(sorted(sums.items(), key=lambda item: -item[1])),
        rest_ns=rest if rest >= 0 else None,
    )
