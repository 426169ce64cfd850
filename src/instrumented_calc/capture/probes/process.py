"""CPU time, page faults, preemptions and resident memory of this process: about 2 us together on Linux."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil

from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.kept_descriptor import KeptDescriptor
from instrumented_calc.own_process import resource

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call

SECOND_NS = 1_000_000_000
STATM = "/proc/self/statm"


class ProcessProbe:
    """Reads the process's resource use into a row.

    The descriptor of `/proc/self/statm` is kept open: opening it each time costs seven times as much. Where
    that file does not exist (macOS), psutil reads the memory. Windows also lacks getrusage.
    """

    def __init__(self) -> None:
        self._statm: KeptDescriptor | None = None
        self._process: psutil.Process | None = None
        try:
            self._statm = KeptDescriptor(os.open(STATM, os.O_RDONLY | os.O_CLOEXEC))
            self._page = os.sysconf("SC_PAGE_SIZE")
        except (OSError, AttributeError, MemoryError) as error:
            if is_foreign(error):
                raise
            with own_faults_dropped():
                self._process = psutil.Process()
                self._process.memory_info()

    def sample(self, row: Call) -> None:
        """Set the sampled fields of a row."""
        if resource is not None:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            row.cpu_ns = int((usage.ru_utime + usage.ru_stime) * SECOND_NS)
            row.minor_faults = usage.ru_minflt
            row.major_faults = usage.ru_majflt
            row.preemptions = usage.ru_nivcsw
        if self._statm is not None:
            self._read_memory(row, self._statm)
        elif self._process is not None:
            self._ask_psutil(row, self._process)

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

    def _ask_psutil(self, row: Call, process: psutil.Process) -> None:
        try:
            row.rss_bytes = process.memory_info().rss
            if resource is None:
                times = process.cpu_times()
                row.cpu_ns = int((times.user + times.system) * SECOND_NS)
        except (psutil.Error, OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            self._process = None

    def close(self) -> None:
        """Close the kept descriptor."""
        statm, self._statm, self._process = self._statm, None, None
        if statm is not None:
            with own_faults_dropped():
                statm.close()
