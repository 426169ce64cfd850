"""The results folder, opened level by level so that nothing is written through a link.

The folder itself may be a link, which is the user's own. A link below it may have been planted to have a
file written elsewhere; each folder is opened relative to its parent, so that none can be swapped for a link
in between.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from instrumented_calc.errors import IntakeError
from instrumented_calc.intake.archives.staging import sha256_of
from instrumented_calc.journal.new_file import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)  # 0: Windows


@contextmanager
def folder_in(output: Path, relative: str) -> Iterator[int]:
    """Open a folder of the results, creating it if needed; return its descriptor.

    Args:
        output: The results folder, created if needed.
        relative: The folder below it: `logs/chtc`.

    Raises:
        IntakeError: A link, or something other than a folder, is in the way.
    """
    output.mkdir(parents=True, exist_ok=True)
    descriptor, seen = os.open(output, FOLDER), output
    try:
        for part in PurePosixPath(relative).parts:
            seen /= part
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)
            try:
                inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                    raise
                message = (
                    f"{seen}: a link or a file where a folder is needed; remove it, or give another --output"
                )
                raise IntakeError(message) from error
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def write_ours(output: Path, relative: str, content: bytes) -> None:
    """Write one of our own files into the results, replacing an earlier version.

    Args:
        output: The results folder.
        relative: The file below it: `ingested/report.md`.
        content: The whole content.

    Raises:
        IntakeError: A link is in the way of its folder.
        OSError: It cannot be written.
    """
    path = PurePosixPath(relative)
    with folder_in(output, str(path.parent)) as folder:
        replace(path.name, content, folder=folder)


def sha256_in(folder: int, name: str) -> str:
    """Return the hash of a regular file in a folder; empty if there is none, or a link.

    Args:
        folder: The folder's descriptor.
        name: The file in it.
    """
    try:
        # Non-blocking: opening a pipe without a writer would block.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return sha256_of(file) if stat.S_ISREG(os.fstat(descriptor).st_mode) else ""
