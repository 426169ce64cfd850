"""A descriptor kept open in a process that belongs to the user.

A program that turns itself into a daemon closes all descriptors, and their numbers are then reused for its
own files, which must be neither written nor closed.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.new_file import create_numbered, fcntl

if TYPE_CHECKING:
    from pathlib import Path

MODE = getattr(os, "O_ACCMODE", 0) | os.O_APPEND  # of the flags of a descriptor


class KeptDescriptor:
    """A descriptor, and the identity of the file it was opened for.

    Args:
        number: The open descriptor; it is closed if the file's status cannot be read.

    Raises:
        OSError: The file's status cannot be read.

    Attributes:
        number: The descriptor.
    """

    __slots__ = ("_identity", "_mode", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        try:
            self._identity = _identity(os.fstat(number))
            self._mode = _mode(number)
        except BaseException:
            os.close(number)
            raise

    def status(self) -> os.stat_result | None:
        """Return the file's status, or None if the number is closed or belongs to another file.

        Raises:
            OSError: The descriptor is open, but its file system reports an error.
        """
        try:
            status = os.fstat(self.number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            return None
        if (status.st_dev, status.st_ino) != self._identity:
            return None
        # The program may have opened the same file itself for reading, after closing all descriptors.
        if fcntl is not None and fcntl.fcntl(self.number, fcntl.F_GETFL) & MODE != self._mode:
            return None
        return status

    @property
    def is_ours(self) -> bool:
        """Whether the number still belongs to the file."""
        try:
            return self.status() is not None
        except (OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            return True

    def is_same_file(self, other: KeptDescriptor) -> bool:
        """Return whether both were opened for the same file."""
        return self._identity == other._identity

    def leads_to(self, path: str | os.PathLike[str]) -> bool:
        """Return whether a path still refers to the file.

        Raises:
            OSError: The path's status cannot be read.
        """
        return _identity(os.stat(path)) == self._identity  # noqa: PTH116 - any kind of path

    def close(self) -> None:
        """Close the descriptor unless its number belongs to another file.

        Raises:
            OSError: The file system reports a late error; the descriptor is closed.
        """
        if self.is_ours:
            os.close(self.number)


def create_kept(path: Path, flags: int) -> tuple[KeptDescriptor, Path]:
    """Create a file under the first free name of `run.jsonl`, `run-2.jsonl`, ..., to be kept open.

    Args:
        path: The requested name.
        flags: Open flags, in addition to those for a new file.

    Returns:
        The descriptor, and the free name.

    Raises:
        OSError: No file can be created there; none is left behind.
    """
    number, free = create_numbered(path, flags)
    try:
        return KeptDescriptor(number), free
    except BaseException:
        free.unlink()
        raise


def _mode(number: int) -> int:
    if fcntl is None:
        return 0
    return int(fcntl.fcntl(number, fcntl.F_GETFL)) & MODE


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
