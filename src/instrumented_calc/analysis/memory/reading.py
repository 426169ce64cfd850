"""Memory and CPU use over a run: plain readings, without a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.line import fit_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Calls
    from instrumented_calc.journal.reader import Journal

FEWEST_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory at the sampled calls in bytes: resident in the process, or allocated on the device.

    Attributes:
        start_bytes: First sample.
        end_bytes: Last sample.
        peak_bytes: Largest value: of the process's memory the one that the system has kept, which is from any
            moment since its start, else the largest sample.
        slope_bytes: Least-squares growth per step, or per call if there are no steps; None with fewer than
            three samples.
        per: `step` or `call`.
        samples: Number of samples.
    """

    start_bytes: int
    end_bytes: int
    peak_bytes: int
    slope_bytes: float | None
    per: str
    samples: int


def measure_memory(calls: Calls, field: str = "rss_bytes") -> Memory | None:
    """Return the reading of one field, or None if it was not sampled."""
    sparse = calls.sparse.get(field)
    if sparse is None or not len(sparse):
        return None
    steps = calls.step[sparse.rows]
    single_driver = bool(np.all(steps >= 0) and np.all(np.diff(steps) >= 0))
    along = (steps if single_driver else calls.index[sparse.rows]).astype(np.float64)
    return Memory(
        start_bytes=int(sparse.values[0]),
        end_bytes=int(sparse.values[-1]),
        peak_bytes=int(sparse.values.max()),
        slope_bytes=_slope(along, sparse.values.astype(np.float64)),
        per="step" if single_driver else "call",
        samples=len(sparse),
    )


def measure_host_memory(journal: Journal) -> Memory | None:
    """Return the reading of the process's memory, with the peak that the system has kept.

    Args:
        journal: The run.
    """
    memory = measure_memory(journal.calls)
    if memory is None:
        return None
    kept = [each.peak_rss_bytes for each in journal.machines]
    if journal.end is not None:
        kept.append(journal.end.peak_rss_bytes)
    known = [each for each in kept if isinstance(each, int)]
    return replace(memory, peak_bytes=max([memory.peak_bytes, *known]))


def _slope(along: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    line = fit_line(along, values) if len(along) >= FEWEST_SAMPLES else None
    return None if line is None else line.slope


def cpu_per_wall(calls: Calls) -> float | None:
    """Return the mean number of busy processors: CPU over wall time between the samples."""
    sparse = calls.sparse.get("cpu_ns")
    if sparse is None or not len(sparse):
        return None
    first, last = int(sparse.rows[0]), int(sparse.rows[-1])
    wall = _end(calls, last) - _end(calls, first)
    return (int(sparse.values[-1]) - int(sparse.values[0])) / wall if wall > 0 else None


def _end(calls: Calls, row: int) -> int:
    return int(calls.start_ns[row]) + int(calls.wall_ns[row])
