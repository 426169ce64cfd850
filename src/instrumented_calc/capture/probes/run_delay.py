"""How long a thread has waited for a processor: ready to run, while others ran."""

from __future__ import annotations

import os

from instrumented_calc.foreign import is_foreign

FIELDS_BYTES = 80


class RunDelay:
    """Reads the CPU time and the waiting time of one thread from Linux's scheduler.

    Args:
        thread: The system's number of the thread.
    """

    def __init__(self, thread: int) -> None:
        try:
            self._file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError) as error:  # not on Linux, or the thread has ended
            if is_foreign(error):
                raise
            self._file = -1

    def read(self) -> tuple[int, int] | None:
        """Return CPU time and waiting time so far in ns, or None if the system does not tell."""
        if self._file < 0:
            return None
        try:
            fields = os.pread(self._file, FIELDS_BYTES, 0).split()
            return int(fields[0]), int(fields[1])
        except (OSError, ValueError, IndexError) as error:
            if is_foreign(error):
                raise
            return None

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
