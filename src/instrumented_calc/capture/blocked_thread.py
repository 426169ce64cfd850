"""Whether another thread is blocked in a system call, or merely gets no processor or interpreter.

Waiting for a file system and waiting for one's turn look alike from outside, but only the first is a file
system that does not respond.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    import threading

SYSTEM_CALL = "/proc/self/task/{}/syscall"
# Numbers of futex and futex_time64 on Linux: x86-64, arm and i386, the generic table, 32-bit systems. A
# thread in one of them waits for another thread, or for the interpreter.
FUTEX = frozenset({b"202", b"240", b"98", b"422"})


def blocked_in(thread: threading.Thread | None) -> object | None:
    """Return where a thread is blocked, or None if it runs, has ended or waits for other threads.

    Two equal answers some time apart mean that it has been blocked in one system call all along.

    Args:
        thread: Any other thread.

    Returns:
        On Linux the system call with its arguments; elsewhere the thread's processor time, which is equal at
        two times if the thread did not run; True where the system provides neither.
    """
    if thread is None or thread.ident is None or not thread.is_alive():
        return None
    try:
        with open(SYSTEM_CALL.format(thread.native_id), "rb") as file:  # noqa: PTH123 - no path object
            text = file.read().strip()
    except OSError as error:  # not on Linux, or hidden; the thread has just ended
        if is_foreign(error):
            raise
        return _cpu_time_ns(thread.ident)
    if text == b"running" or text.partition(b" ")[0] in FUTEX:
        return None
    return text


def _cpu_time_ns(ident: int) -> object:
    try:
        return time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
    except (AttributeError, OSError) as error:  # macOS, Windows; the thread has just ended
        if is_foreign(error):
            raise
        return True
