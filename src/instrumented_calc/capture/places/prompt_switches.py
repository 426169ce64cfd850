"""Have the interpreter's lock passed on at once, for some milliseconds.

A thread that asks for the lock gets it where the other releases it by itself, or after the switch interval,
5 ms. A program that computes in Python for 3 ms and then in numpy, which releases the lock, would therefore
always be seen in numpy. With a short interval it is seen where it is.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL_S = 0.000053  # an odd number, so that nobody else's setting is taken for it


class _Switches:
    """The switch interval of the process, of which there is one.

    Attributes:
        lock: Held while the interval is short.
        usual: The interval before that.
    """

    lock = threading.Lock()
    usual = 0.005


@contextlib.contextmanager
def prompt_switches() -> Iterator[None]:
    """Shorten the switch interval of the process; a program's own setting in the meantime is kept."""
    if not _Switches.lock.acquire(blocking=False):
        yield
        return
    try:
        _Switches.usual = usual_interval()
        if _Switches.usual > INTERVAL_S:
            sys.setswitchinterval(INTERVAL_S)
        try:
            yield
        finally:
            if _is_ours(sys.getswitchinterval()):
                sys.setswitchinterval(_Switches.usual)
    finally:
        _Switches.lock.release()


def usual_interval() -> float:
    """Return the switch interval of the process without ours, in s.

    Ours may also be found because a program has saved and restored it as if it were its own.
    """
    found = sys.getswitchinterval()
    return _Switches.usual if _is_ours(found) else found


def _is_ours(interval: float) -> bool:
    return abs(interval - INTERVAL_S) < 1e-6  # noqa: PLR2004 - the interpreter's resolution, s
