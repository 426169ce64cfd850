"""Check whether the process that writes a journal is still running."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.journal.records import RunStart

PROC = Path("/proc")
TOLERANCE_S = 2.0  # process start times are known to 0.01 s, wall clocks get adjusted


def writer_is_alive(start: RunStart | None) -> bool | None:
    """Return whether the process that writes a journal without `run_end` is running.

    Args:
        start: The journal's first record.

    Returns:
        None if this is unknown: on another machine, or if the first record is lost.
    """
    if start is None or not start.environment.host or start.environment.host != socket.gethostname():
        return None
    with suppress(ValueError, OverflowError):
        began = datetime.fromisoformat(start.started).timestamp()
        running_since = _since(start.pid) if PROC.is_dir() else _since_elsewhere(start.pid)
        # The process id may have been reused by a later process.
        return running_since is not None and running_since <= began + TOLERANCE_S
    return False


def _since(pid: int) -> float | None:
    """Return the Unix time at which a process began, on Linux; None if it has ended."""
    with suppress(OSError):
        # After the name, which may contain anything: fields 3, the state, and 22, the start (man 5 proc).
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        boot = next(line for line in (PROC / "stat").read_bytes().splitlines() if line.startswith(b"btime "))
        if fields[0] not in {b"Z", b"X"}:
            return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return None


def _since_elsewhere(pid: int) -> float | None:
    import psutil  # noqa: PLC0415 - 15 ms that only systems without /proc need

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return float(process.create_time())
    return None
