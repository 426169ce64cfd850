"""External programs that a run's calculators execute: what their processes used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls, Sparse
    from instrumented_calc.journal.reader import Journal


@dataclass(frozen=True, slots=True)
class ProgramUse:
    """The child processes in which external programs ran.

    Attributes:
        names: The programs' file names, as far as their commands tell.
        cpu_ns: CPU time of the processes, ns; None if it was not measured.
        wall_ns: Wall time in which they used it, ns: from the start of the first call with a reading to the
            end of the last one.
        peak_bytes: Largest memory of one process; None if it was not measured.
        exit_statuses: Number of failed calls by the exit status of the program.
    """

    names: tuple[str, ...]
    cpu_ns: int | None
    wall_ns: int
    peak_bytes: int | None
    exit_statuses: dict[int, int]

    @property
    def busy(self) -> float | None:
        """Mean number of processors that the programs kept busy; None if it was not measured."""
        return None if self.cpu_ns is None or not self.wall_ns else self.cpu_ns / self.wall_ns


def measure_programs(journal: Journal) -> ProgramUse | None:
    """Return the use of external programs; None if no calculator runs one."""
    calls = journal.calls
    names = tuple(dict.fromkeys(lane.program for lane in journal.lanes.values() if lane.program))
    cpu, peak = calls.sparse.get("child_cpu_ns"), calls.sparse.get("child_peak_bytes")
    statuses = calls.sparse.get("child_exit_status")
    if not names and cpu is None and statuses is None:
        return None
    return ProgramUse(
        names=names,
        cpu_ns=None if cpu is None else int(cpu.values.sum(dtype=np.int64)),
        wall_ns=0 if cpu is None else _covered_ns(calls, cpu),
        peak_bytes=None if peak is None else int(peak.values.max()),
        exit_statuses={} if statuses is None else dict(Counter(statuses.values.tolist()).most_common()),
    )


def _covered_ns(calls: Calls, readings: Sparse) -> int:
    starts = calls.start_ns[readings.rows].astype(np.int64)
    ends = starts + calls.wall_ns[readings.rows].astype(np.int64)
    return int(ends.max() - starts.min())
