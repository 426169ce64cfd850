"""Appends whole lines to a journal's file, and copes with a disk that is full or a file that vanishes.

Lines go to the kernel in one `os.write` on a descriptor opened with `O_APPEND`: a killed process leaves at
most one torn line, and what `os.write` has taken survives it. Nothing is ever fsynced.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.errors import JournalPathError
from instrumented_calc.journal.new_file import create_numbered

if TYPE_CHECKING:
    from collections.abc import Callable

# What may wait in memory while the disk does not take it; newer rows are then counted as lost.
WAITING_LIMIT = 4_000_000
NETWORK_FILE_SYSTEMS = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "panfs",
        "pvfs2",
        "smb3",
        "smbfs",
        "wekafs",
    ]
)


class JournalWriter:
    """One journal's file, open for appending. Its caller sees to it that one thread writes at a time.

    Args:
        path: File to make. If it exists, `name-2.jsonl`, `name-3.jsonl`, ... are tried: no journal is
            ever overwritten.
        on_trouble: Called with a text when rows begin to be refused.

    Raises:
        JournalPathError: The file cannot be made.

    Attributes:
        path: The file that is written.
        size: Bytes handed over so far.
        lost: Rows that are not in the file.
        direct: Whether a calculating thread may write; on a network file system, which may stop
            answering, only the journal's own thread does.
    """

    def __init__(self, path: Path, *, on_trouble: Callable[[str], None]) -> None:
        self._fd, self.path = _create(path)
        self._identity = _identity(os.fstat(self._fd))
        self._on_trouble = on_trouble
        self._waiting = b""
        self._failing = False
        self._interrupted = False
        self._bytes_in_file = 0
        self._rows_in_file = 0
        self.size = 0
        self.lost = 0
        self.direct = not on_network_file_system(self.path)

    def write(self, lines: bytes) -> bool:
        """Hand lines to the kernel, after those that it has refused before.

        Args:
            lines: Encoded records, each with its newline.

        Returns:
            False if the lines were dropped, because too much was waiting already; then what later
            rows take from earlier ones has to be written again.
        """
        if self._waiting:  # a full disk may have cut a line: its rest goes first
            self._push()
        if self._fd < 0 or len(self._waiting) > WAITING_LIMIT:
            self.lost += lines.count(b"\n")
            return False
        self.size += len(lines)
        waited = bool(self._waiting)
        self._waiting += lines
        if not waited:
            self._push()
        return True

    def _push(self) -> None:
        if self._interrupted:
            self._interrupted = False
            self._taken(max(os.fstat(self._fd).st_size - self._bytes_in_file, 0))
        try:
            while self._waiting:
                self._taken(os.write(self._fd, self._waiting))
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._failing = True
                self._on_trouble(
                    f"{self.path}: {error.strerror}; the run goes on, rows are lost until there is room"
                )
        except BaseException:  # Ctrl-C: the kernel may have taken lines without our being told
            self._interrupted = True
            raise

    def _taken(self, size: int) -> None:
        self._rows_in_file += self._waiting.count(b"\n", 0, size)
        self._bytes_in_file += size
        self._waiting = self._waiting[size:]

    def vanished(self) -> bool:
        """Tell whether the journal's name no longer leads to the file that is written."""
        try:
            return _identity(self.path.stat()) != self._identity
        except OSError:
            return True

    def reopen(self) -> None:
        """Go on in a new file, because the old one was removed; its rows count as lost.

        Raises:
            JournalPathError: No file can be made there either.
        """
        fd, path = _create(self.path)
        os.close(self._fd)
        self._fd, self.path = fd, path
        self._identity = _identity(os.fstat(fd))
        self.lost += self._rows_in_file + self._waiting.count(b"\n")
        self._rows_in_file = self._bytes_in_file = 0
        self._waiting = b""
        self._interrupted = False

    def close(self) -> None:
        """Close the file; what is still waiting, or comes later, is counted as lost."""
        self.lost += self._waiting.count(b"\n")
        self._waiting = b""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1  # its number may soon be another file's
            os.close(fd)


def check_directory(path: Path) -> None:
    """Fail early where no journal could be written later.

    Args:
        path: The journal's path; nothing is made.

    Raises:
        JournalPathError: The directory is missing, no directory, or not writable.
    """
    directory = path.parent
    if not directory.is_dir():
        message = f"{directory}: no such directory; make it, or pass journal= with another path"
        raise JournalPathError(message)
    if not os.access(directory, os.W_OK | os.X_OK):
        message = f"{directory}: not writable; pass journal= with a path that you may write"
        raise JournalPathError(message)


def on_network_file_system(path: Path) -> bool:
    """Tell whether a file lies on a file system whose server may stop answering.

    Args:
        path: An existing file.

    Returns:
        Whether the longest mount point above the file is of a network type (Linux; elsewhere False).
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    longest, kind = "", ""
    name = str(path.resolve())
    for mount in mounts:
        left, _, right = mount.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")
        inside = name == point or name.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(longest):
            longest, kind = point, right.split()[0]
    return kind.partition(".")[0] in NETWORK_FILE_SYSTEMS


def _create(path: Path) -> tuple[int, Path]:
    try:
        return create_numbered(path, os.O_WRONLY | os.O_APPEND)
    except OSError as error:
        message = f"{error.filename or path}: {error.strerror}; pass journal= with a path that can be written"
        raise JournalPathError(message) from error


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
