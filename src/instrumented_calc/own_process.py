"""Memory, processors and limits of this process, on Linux, macOS and, as far as they exist, Windows.

`/proc` comes first where it is quick and exact, psutil where there is none. Where a call is made too often
for a function here, in `capture/probes`, the reading stands beside its use.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psutil

from instrumented_calc.foreign import is_foreign

resource: Any
try:
    import resource
except ImportError:  # Windows
    resource = None

STATUS = Path("/proc/self/status")
KIB = 1024
SECOND_NS = 1_000_000_000


def kib_values(path: Path = STATUS) -> dict[str, int]:
    """Return the lines `Name:  123 kB` of a file of `/proc`, in bytes.

    Args:
        path: The file.

    Raises:
        OSError: The system has no such file.
    """
    found = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words[1:] == ["kB"]:
            found[name] = int(words[0]) * KIB
    return found


def memory_in_use(path: Path = STATUS) -> tuple[int, int | None]:
    """Return the resident memory of the process and its peak, in bytes.

    The peak of getrusage is used only without `/proc`: Linux keeps the parent's across exec. Windows reports
    a peak through psutil.

    Args:
        path: The process's status file on Linux.
    """
    try:
        values = kib_values(path)
        return values["VmRSS"], values["VmHWM"]
    except (OSError, KeyError) as error:
        if is_foreign(error):
            raise
        memory = psutil.Process().memory_info()
    if resource is None:
        return memory.rss, getattr(memory, "peak_wset", None)
    return memory.rss, _peak_bytes(resource.getrusage(resource.RUSAGE_SELF))


def ended_children() -> tuple[int, int] | None:
    """Return the CPU time in ns of the child processes that were waited for, and the largest memory of one.

    Children of the children count if these have waited for them. None on Windows, which keeps no such record.
    """
    if resource is None:
        return None
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((use.ru_utime + use.ru_stime) * SECOND_NS), _peak_bytes(use)


def _peak_bytes(use: Any) -> int:
    """Return the peak memory of a record of getrusage: in bytes on macOS and in KiB elsewhere."""
    peak: int = use.ru_maxrss
    return peak * (1 if sys.platform == "darwin" else KIB)


def physical_memory() -> int:
    """Return the machine's memory in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError) as error:
        if is_foreign(error):
            raise
        return int(psutil.virtual_memory().total)


def usable_processors() -> int | None:
    """Return the number of logical processors that the process may use; all, where nothing restricts it."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count()


def file_size_limit() -> int | None:
    """Return the size in bytes beyond which writing ends the process (SIGXFSZ); None without a limit."""
    if resource is None:
        return None
    limit: int = resource.getrlimit(resource.RLIMIT_FSIZE)[0]  # slow calls ask: not through another function
    return None if limit == resource.RLIM_INFINITY else limit


def open_file_limit() -> int | None:
    """Return the limit on open file descriptors; None without a limit."""
    if resource is None:
        return None
    limit: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
