"""Writes messages to stderr without waiting for a blocked reader; in a notebook to stdout."""

from __future__ import annotations

import os
import select
import stat
import sys
from typing import Any

from instrumented_calc.foreign import is_foreign
from instrumented_calc.own_process import file_size_limit

PIECE = 4096  # bytes that a writable pipe accepts without blocking (POSIX: PIPE_BUF)


def write_for_people(text: str, patience_s: float = 0.1) -> None:
    """Write as much of a text to stderr as it accepts.

    stderr is looked up late: it may have been closed or replaced.

    Args:
        text: Whole lines.
        patience_s: How long to wait, for each piece, for a full pipe or terminal.
    """
    stream = stream_for_people()
    if stream is None:
        return
    for begin in range(0, len(text), PIECE // 4):  # a character takes four bytes at most
        if not _is_writable(stream, patience_s):
            return
        stream.write(text[begin : begin + PIECE // 4])
        stream.flush()


def stream_for_people() -> Any:
    """Return stderr, or in a notebook stdout: stderr is shown there as an error, in red."""
    streams = (sys.stderr, sys.stdout)
    return streams[all(type(each).__module__.startswith("ipykernel.") for each in streams)]


def _is_writable(stream: Any, patience_s: float) -> bool:
    try:
        fd = stream.fileno()
        if not isinstance(fd, int):
            return True
        status = os.fstat(fd)
    except (AttributeError, OSError, ValueError) as error:
        if is_foreign(error):
            raise
        return True  # not a real file: the stream of a notebook or a test
    if stat.S_ISREG(status.st_mode):  # beyond the size limit the kernel would send SIGXFSZ
        limit = file_size_limit()
        return limit is None or status.st_size + PIECE <= limit
    if not hasattr(select, "poll") or sys.platform == "darwin":  # poll of macOS supports no terminals
        return os.name == "nt" or bool(select.select([], [fd], [], patience_s)[1])
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(patience_s * 1000))
