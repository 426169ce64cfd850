"""Start a thread in the middle of the user's call, where a signal handler may raise at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


def start(thread: threading.Thread) -> None:
    """Start a thread. What a signal handler raises meanwhile passes unchanged; the thread may run by then.

    `Thread.start`, interrupted, can fail with a `KeyError` of its own that hides the user's exception.

    Args:
        thread: One that was not started.
    """
    try:
        thread.start()
    except KeyError as error:
        if error.__context__ is not None:
            raise error.__context__ from None
        raise
