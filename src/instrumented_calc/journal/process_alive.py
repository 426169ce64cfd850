"""Check whether the process that writes a journal is still running."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.journal.records import RunStart

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
    import psutil  # noqa: PLC0415 - 15 ms that only journals cut short need

    with suppress(psutil.Error, ValueError, OverflowError, OSError):
        process = psutil.Process(start.pid)
        began = datetime.fromisoformat(start.started).timestamp()
        # The process id may have been reused by a later process.
        return bool(process.create_time() <= began + TOLERANCE_S and process.status() != psutil.STATUS_ZOMBIE)
    return False
