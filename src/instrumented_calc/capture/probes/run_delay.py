"""How long a thread has waited for a processor: ready to run, while others ran."""

from __future__ import annotations

import os

from instrumented_calc.foreign import is_foreign

FIELDS_BYTES = 80


def run_delay_ns(thread: int) -> int | None:
    """Return the time that a thread of this process has waited for a processor so far, in ns.

    The file is not kept open: a program that closes all descriptors may get its number for a file of its own.

    Args:
        thread: The system's number of the thread.

    Returns:
        The time; None if the thread has ended, or the system does not count it (only Linux does).
    """
    try:
        file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(file, FIELDS_BYTES).split()[1])
        finally:
            os.close(file)
    except (OSError, AttributeError, ValueError, IndexError) as error:
        if is_foreign(error):
            raise
        return None
