"""CPU time, page faults, preemptions and resident memory of this process: about 2 us together on Linux."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call

SECOND_NS = 1_000_000_000


class ProcessProbe:
    """Reads the process's use of the machine into a row.

    The descriptor of `/proc/self/statm` is kept open: opening it each time costs seven times as much.
    Where there is no such file, resident memory stays unmeasured.
    """

    def __init__(self) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            self._identity = self._seen()
        except OSError as error:
            if is_foreign(error):
                raise
            self._statm = -1

    def _seen(self) -> tuple[int, int]:
        status = os.fstat(self._statm)
        return status.st_dev, status.st_ino

    def _is_ours(self) -> bool:
        """Tell whether the descriptor still is the probe's: a program may have closed it."""
        try:
            ours = self._seen() == self._identity
        except OSError as error:
            if is_foreign(error):
                raise
            ours = False
        if not ours:
            self._statm = -1
        return ours

    def sample(self, row: Call) -> None:
        """Fill the sampled fields of a row."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        row.cpu_ns = int((usage.ru_utime + usage.ru_stime) * SECOND_NS)
        row.minor_faults = usage.ru_minflt
        row.major_faults = usage.ru_majflt
        row.preemptions = usage.ru_nivcsw
        if self._statm >= 0 and self._is_ours():
            row.rss_bytes = int(os.pread(self._statm, 64, 0).split(None, 2)[1]) * self._page

    def close(self) -> None:
        """Close the kept descriptor."""
        if self._statm >= 0 and self._is_ours():
            os.close(self._statm)
            self._statm = -1
