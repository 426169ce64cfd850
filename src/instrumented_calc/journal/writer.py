"""Appends whole lines to a journal, at once when there is time, and never at the cost of the MD run.

Rows are collected in memory under `JournalWriter.lock` and handed to the kernel by `flush`, whole lines per
`os.write` on a descriptor opened with `O_APPEND`: a killed process leaves at most one torn line, and what
`os.write` has taken survives it. Nothing is ever fsynced. Two locks keep a hanging disk away from MD:
`lock` guards the rows and is held for microseconds, `_write_lock` is held while writing. The order is
`_write_lock` before `lock`.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.errors import JournalPathError

if TYPE_CHECKING:
    from collections.abc import Callable

# What may wait in memory while the disk does not take it; older than that is counted as lost.
PENDING_LIMIT = 4_000_000
NETWORK_FILE_SYSTEMS = (
    "9p afs beegfs ceph cifs fuse gfs gfs2 glusterfs gpfs lustre ncpfs nfs ocfs2 panfs pvfs2 smb wekafs"
).split()


class JournalWriter:
    """One journal's file, open for appending.

    Args:
        path: File to make. If it exists, `name-2.jsonl`, `name-3.jsonl`, ... are tried: no journal is
            ever overwritten.
        on_trouble: Called once with a text when rows cannot be written.

    Raises:
        JournalPathError: The file cannot be made.

    Attributes:
        path: The file that is written.
        lock: Guards `append`; callers hold it while a row is made, so that rows keep their order.
        size: Bytes appended so far.
        lost: Rows that could not be written.
        direct: Whether the calling thread may write; on a network file system only a thread may.
    """

    def __init__(self, path: Path, *, on_trouble: Callable[[str], None]) -> None:
        self._fd, self.path = _create(path)
        self._identity = _identity(os.fstat(self._fd))
        self._on_trouble = on_trouble
        self.lock = threading.RLock()
        self._write_lock = threading.RLock()
        self._writing_thread: int | None = None
        self._deferred: Callable[[], None] | None = None
        self._rows: list[bytes] = []
        self._waiting = 0
        self._unwritten = b""
        self._told = False
        self.size = 0
        self.lost = 0
        self.written_rows = 0
        self.direct = not on_network_file_system(self.path)

    def append(self, line: bytes) -> bool:
        """Add one record; the caller holds `lock`.

        Args:
            line: The encoded record, without the newline.

        Returns:
            Whether the row was taken. If not it is counted in `lost`, and what later rows take from
            earlier ones has to be written again.
        """
        length = len(line) + 1
        if self._waiting > PENDING_LIMIT:
            self.lost += 1
            return False
        self._rows.append(line)
        self._waiting += length
        self.size += length
        return True

    def flush(self, *, timeout: float = -1) -> bool:
        """Hand the waiting rows to the kernel.

        Args:
            timeout: Seconds to wait for another thread that is writing; 0: do not wait, -1: for ever.

        Returns:
            Whether nothing is waiting any more.
        """
        if not self._write_lock.acquire(blocking=timeout != 0, timeout=max(timeout, -1) or -1):
            return False
        try:
            self._writing_thread = threading.get_ident()
            done = self._write()
        finally:
            self._writing_thread = None
            self._write_lock.release()
        if self._deferred is not None:
            deferred, self._deferred = self._deferred, None
            deferred()
        return done

    def _write(self) -> bool:
        with self.lock:
            rows, self._rows = self._rows, []
            self._waiting = len(self._unwritten)
            if rows:
                # A row may have been cut by a full disk: its rest goes first.
                self._unwritten += b"\n".join(rows) + b"\n"
                self._waiting = len(self._unwritten)
        try:
            while self._unwritten:
                written = os.write(self._fd, self._unwritten)
                self.written_rows += self._unwritten.count(b"\n", 0, written)
                self._unwritten = self._unwritten[written:]
        except OSError as error:
            self._tell(f"{self.path}: {error.strerror}; the run goes on, free some space")
        with self.lock:
            self._waiting = len(self._unwritten) + sum(map(len, self._rows)) + len(self._rows)
        return not self._unwritten

    def _tell(self, text: str) -> None:
        if not self._told:
            self._told = True
            self._on_trouble(text)

    def interrupted(self, then: Callable[[], None]) -> bool:
        """Let a signal handler wait until the write that it interrupted is done.

        Args:
            then: What is called after the write.

        Returns:
            Whether this thread was writing; if not, `then` is not kept.
        """
        if self._writing_thread != threading.get_ident():
            return False
        self._deferred = then
        return True

    def vanished(self) -> bool:
        """Tell whether the journal's name no longer leads to the file that is written."""
        try:
            return _identity(self.path.stat()) != self._identity
        except OSError:
            return True

    def reopen(self) -> None:
        """Go on in a new file, because the old one was removed.

        Raises:
            JournalPathError: No file can be made there either.
        """
        with self._write_lock:
            fd, path = _create(self.path)
            os.close(self._fd)
            self._fd, self.path = fd, path
            self._identity = _identity(os.fstat(fd))
            # What was handed to the removed file is gone with it.
            self.lost += self.written_rows
            self.written_rows = 0
            self._unwritten = b""
            self._told = False

    def close(self) -> None:
        """Close the file; rows that are still waiting are counted as lost."""
        self.lost += len(self._rows) + self._unwritten.count(b"\n")
        self._rows = []
        os.close(self._fd)

    def abandon(self) -> None:
        """Forget the parent's file in a forked child, without writing the parent's rows again."""
        self._rows = []
        os.close(self._fd)


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
    best, kind = "", ""
    name = str(path.resolve())
    for mount in mounts:
        left, _, right = mount.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")
        inside = name == point or name.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return any(kind == known or kind.startswith(f"{known}.") for known in NETWORK_FILE_SYSTEMS) or (
        kind.startswith("nfs")
    )


def numbered(path: Path, number: int) -> Path:
    """Return the path's variant with a number: `run.jsonl`, `run-2.jsonl`, ..."""
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


def _create(path: Path) -> tuple[int, Path]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
    number = 1
    while True:
        candidate = numbered(path, number)
        try:
            return os.open(candidate, flags, 0o666), candidate
        except FileExistsError:
            number += 1
        except OSError as error:
            message = f"{candidate}: {error.strerror}; pass journal= with a path that can be written"
            raise JournalPathError(message) from error


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
