"""A gate at which a thread is blocked in a system call, as on a file system that does not respond."""

from __future__ import annotations

import os


class Gate:
    """A gate that is closed at first; waiting threads are blocked in `read`."""

    def __init__(self) -> None:
        self._ends = os.pipe()
        self._open = False

    def set(self) -> None:
        """Open it for good."""
        if not self._open:
            self._open = True
            os.close(self._ends[1])

    def is_set(self) -> bool:
        """Return whether it is open."""
        return self._open

    def wait(self) -> None:
        """Wait until it is open."""
        os.read(self._ends[0], 1)

    def close(self) -> None:
        """Release its descriptors; nobody may wait."""
        self.set()
        os.close(self._ends[0])
