"""CPU time, page faults, preemptions and resident memory of this process: about 2 us together on Linux."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.kept_descriptor import KeptDescriptor

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call

SECOND_NS = 1_000_000_000


class ProcessProbe:
    """Reads the process's resource use into a row.

    The descriptor of `/proc/self/statm` is kept open: opening it each time costs seven times as much.
    Without such a file, resident memory is not measured.
    """

    def __init__(self) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._statm: KeptDescriptor | None = None
        with own_faults_dropped():
            self._statm = KeptDescriptor(os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC))

    def sample(self, row: Call) -> None:
        """Set the sampled fields of a row."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        row.cpu_ns = int((usage.ru_utime + usage.ru_stime) * SECOND_NS)
        row.minor_faults = usage.ru_minflt
        row.major_faults = usage.ru_majflt
        row.preemptions = usage.ru_nivcsw
        if self._statm is not None:
            self._read_memory(row, self._statm)

    def _read_memory(self, row: Call, statm: KeptDescriptor) -> None:
        try:
            if statm.is_ours:
                row.rss_bytes = int(os.pread(statm.number, 64, 0).split(None, 2)[1]) * self._page
                return
        except (OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            self.close()
        self._statm = None

    def close(self) -> None:
        """Close the kept descriptor."""
        statm, self._statm = self._statm, None
        if statm is not None:
            with own_faults_dropped():
                statm.close()
