"""The stacks of all threads, read so that a garbage collection cannot deadlock the process.

CPython before the fix of python/cpython#106883 (3.10 and 3.11.7 among others) holds the lock of its thread
list while `sys._current_frames` builds its result. If a collection starts there and a callback in
`gc.callbacks` releases the interpreter's lock, another thread can take that lock and then wait for the
thread list forever.
"""

from __future__ import annotations

import gc
import sys
import threading
from operator import methodcaller
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from types import FrameType

_call = methodcaller("__call__")


def all_stacks() -> dict[int, FrameType]:
    """Return the innermost frame of every other thread, by thread identifier.

    Without this thread's own: that is the frame of this function, whose variables include the result. They
    would keep each other, and the variables of all threads, alive until the next garbage collection.

    The collector is off during the call if it was on. `map` makes the three calls in C without a bytecode in
    between: no other thread, signal handler or fork runs while the collector is off, so that no other code
    finds it in a state that the user did not set.
    """
    read = sys._current_frames
    frames: dict[int, FrameType]
    if gc.isenabled():
        try:
            _, frames, _ = cast("Any", map(_call, (gc.disable, read, gc.enable)))
        except BaseException:  # out of memory: the third call was not made
            gc.enable()
            raise
    else:
        frames = read()
    frames.pop(threading.get_ident(), None)
    return frames
