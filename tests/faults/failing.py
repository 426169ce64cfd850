"""Makes the recorder's n-th system call of one kind fail.

As SQLite's test loops do: n = 1, 2, ... until a run comes through in which nothing was left to fail.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# Where Python code of ours, or of the standard library on our behalf, enters the kernel.
SYSTEM_CALLS: dict[str, tuple[tuple[Any, str], ...]] = {
    "open": ((os, "open"), (io, "open")),
    "write": ((os, "write"), (os, "pwrite")),
    "fstat": ((os, "fstat"),),
    "stat": ((os, "stat"), (os, "lstat")),
    "close": ((os, "close"),),
    "read": ((os, "read"), (os, "pread")),
    "ftruncate": ((os, "ftruncate"), (os, "truncate")),
    "unlink": ((os, "unlink"), (os, "rename"), (os, "replace")),
    "statvfs": ((os, "statvfs"), (os, "fstatvfs")),
    "thread": ((threading.Thread, "start"),),
}
# Modules that only pass a call on to the kernel: it is attributed to their caller.
PASSING_ON = frozenset(["_io", "codecs", "contextlib", "io", "os", "pathlib", "pathlib._local", "tempfile"])
OURS = ("instrumented_calc.capture", "instrumented_calc.journal", "instrumented_calc.api")


@dataclass
class Count:
    """How many calls of the kind the recorder has made.

    Attributes:
        made: Calls so far.
        failed: Those that were made to fail.
    """

    made: int = 0
    failed: int = 0


def raising(number: int) -> Callable[..., Any]:
    """Return a failure with an error number of the system."""

    def fail(real: Callable[..., Any], *args: Any) -> Any:
        if real.__name__ == "close":
            real(*args)  # the kernel lets go of the descriptor in any case
        if real.__name__ == "start":
            message = "can't start new thread"
            raise RuntimeError(message)
        raise OSError(number, os.strerror(number))

    return fail


def out_of_memory(real: Callable[..., Any], *args: Any) -> Any:
    """Fail as Python does where no memory is left."""
    if real.__name__ == "close":
        real(*args)
    raise MemoryError


def short_write(real: Callable[..., Any], fd: int, data: bytes, *where: int) -> int:
    """Write only the first half: a disk that fills up, or a signal."""
    return int(real(fd, data[: max(len(data) // 2, 1)], *where))


FAILURES: dict[str, Callable[..., Any]] = {
    **{
        name: raising(getattr(errno, name))
        for name in ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EAGAIN", "EMFILE")
    },
    "no memory": out_of_memory,
    "short write": short_write,
}


@contextmanager
def failing(kind: str, failure: str, first: int, last: int) -> Iterator[Count]:
    """Let the recorder's calls of one kind fail from the first to the last of these numbers, from 1 on."""
    count, fail, lock = Count(), FAILURES[failure], threading.Lock()

    def standing_in(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not _is_ours(sys._getframe(1)):
                return real(*args, **kwargs)
            with lock:
                count.made += 1
                fails = first <= count.made <= last
                count.failed += fails
            return fail(real, *args) if fails else real(*args, **kwargs)

        return call

    originals = [
        (owner, name, getattr(owner, name)) for owner, name in SYSTEM_CALLS[kind] if hasattr(owner, name)
    ]
    for owner, name, real in originals:
        setattr(owner, name, standing_in(real))
    try:
        yield count
    finally:
        for owner, name, real in originals:
            setattr(owner, name, real)


def _is_ours(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_globals.get("__name__") in PASSING_ON:
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__", "").startswith(OURS)
