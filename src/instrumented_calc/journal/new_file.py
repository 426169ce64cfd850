"""Create files safely: never through a link, never over an existing file.

Every file that the package creates goes through here: journals, their side files, reports, bundles and
tables. A name in a folder that others can write may be a planted link, and an earlier run's file may have
the requested name; neither is ever opened for writing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import is_foreign

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

if TYPE_CHECKING:
    from pathlib import Path

# O_EXCL alone refuses links on local disks; old network file systems emulate it, O_NOFOLLOW covers those.
# Windows has neither these links nor that inheritance.
NEW = os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
MODE = 0o666  # less the umask
LAST_STREAM = 2  # descriptors of stdin, stdout and stderr


def numbered(path: Path, number: int) -> Path:
    """Return the path's variant with a number: `run.jsonl`, `run-2.jsonl`, ..."""
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


def create(path: str | Path, flags: int = os.O_WRONLY, *, folder: int | None = None) -> int:
    """Create a file that does not exist yet and return its descriptor.

    Args:
        path: The file.
        flags: Open flags, in addition to those for a new file: `os.O_WRONLY | os.O_APPEND`, `os.O_RDWR`, ...
        folder: Descriptor of the folder that a relative path starts from.

    Raises:
        FileExistsError: The name is taken, even by a dangling link.
        OSError: The file cannot be created for another reason.
    """
    return beyond_streams(os.open(path, NEW | flags, MODE, dir_fd=folder))


def create_numbered(path: Path, flags: int = os.O_WRONLY) -> tuple[int, Path]:
    """Create a file under the first free name of `run.jsonl`, `run-2.jsonl`, ...

    Args:
        path: The requested name.
        flags: Open flags, in addition to those for a new file.

    Returns:
        The descriptor, and the free name.

    Raises:
        OSError: No file can be created there.
    """
    number = 1
    while True:
        candidate = numbered(path, number)
        try:
            return create(candidate, flags), candidate
        except FileExistsError as error:
            if is_foreign(error):
                raise
            number += 1


def write_numbered(path: Path, content: bytes) -> Path:
    """Write a new file under the first free name; an incomplete file is removed.

    Args:
        path: The requested name; `name-2.json`, `name-3.json`, ... if it is taken.
        content: The whole content.

    Returns:
        The free name.

    Raises:
        OSError: The file cannot be created or written.
    """
    descriptor, free = create_numbered(path)
    _fill(descriptor, free, content)
    return free


def replace(path: str | Path, content: bytes, *, folder: int | None = None) -> None:
    """Write a whole file under exactly this name, replacing an earlier version.

    A reader sees the old content or the new, never half of it. A link of this name is replaced by the file;
    the link's target stays unchanged.

    Args:
        path: The file.
        content: The whole content.
        folder: Descriptor of the folder that a relative path starts from.

    Raises:
        OSError: The file cannot be created, written or renamed.
    """
    temporary = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.partial")  # noqa: PTH118, PTH120
    _fill(create(temporary, folder=folder), temporary, content, folder)
    try:
        os.replace(temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise


def _fill(descriptor: int, path: str | Path, content: bytes, folder: int | None = None) -> None:
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        os.unlink(path, dir_fd=folder)
        raise


def beyond_streams(fd: int) -> int:
    """Avoid 0, 1 and 2: if stderr is closed, its output would end up in the file."""
    if fd > LAST_STREAM:
        return fd
    try:
        return int(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LAST_STREAM + 1))
    finally:
        os.close(fd)
