"""Appends whole lines to a journal's file, whatever happens to the disk, the file or the descriptor.

Lines are first accepted, which touches no file, and then pushed to the kernel in one `os.write` on a
descriptor opened with `O_APPEND`: a killed process leaves at most one torn line, and anything `os.write` has
accepted survives it. Nothing is ever fsynced.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import JournalPathError
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.kept_descriptor import KeptDescriptor, create_kept
from instrumented_calc.journal.mounts import on_network_file_system
from instrumented_calc.journal.new_file import beyond_streams
from instrumented_calc.own_process import file_size_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Limit of data queued in memory while the disk does not accept it; newer rows are then counted as lost.
WAITING_LIMIT = 4_000_000
COMPARED = 64  # bytes at both ends of a file that show whether it was truncated
# Errors that mean that a file was removed; others mean that its file system has a problem.
NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ELOOP)


class JournalWriter:
    """One journal's file, open for appending.

    One thread at a time accepts lines and one at a time pushes them; these may be different, so that a
    hanging write never blocks the one that accepts.

    Args:
        path: File to create. If it exists, `name-2.jsonl`, `name-3.jsonl`, ... are tried: no journal is ever
            overwritten.
        on_trouble: Called with a message when rows start to be dropped.

    Raises:
        JournalPathError: The file cannot be created.

    Attributes:
        path: The written file.
        size: Bytes accepted so far.
        chunks: Lines that were accepted, but not yet written.
        direct: Whether a calculating thread may write; on a network file system, which may stop responding,
            only the journal's own thread does.
        gone: Why the file can no longer be written, or None.
        refusing: Whether the last lines were dropped because too much was queued.
    """

    def __init__(self, path: Path, *, on_trouble: Callable[[str], None]) -> None:
        self._file: KeptDescriptor | None  # None once it is closed
        self._file, self.path = _create(path)
        try:
            self.direct = not on_network_file_system(self.path)
        except BaseException:  # Ctrl-C, a time limit
            self._file.close()
            self.path.unlink()
            raise
        self._on_trouble = on_trouble
        self.chunks: list[bytes] = []
        self._done = 0  # written bytes of the first one
        self._pushed = 0  # bytes written or dropped
        self.refusing = False
        self._dropped = 0  # rows that were not accepted
        self._vanished = 0  # rows that were accepted, but are not in the file
        self._failing = False
        self._interrupted = False
        self._bytes_in_file = 0
        self._rows_in_file = 0
        self._start = b""  # the first bytes of the file
        self.size = 0
        self.gone: str | None = None

    @property
    def lost(self) -> int:
        """Rows that are not in the file."""
        return self._dropped + self._vanished

    @property
    def waiting(self) -> int:
        """Bytes that were accepted but not yet written."""
        return self.size - self._pushed

    def write(self, lines: bytes) -> bool:
        """Push queued lines, then accept and push new ones.

        Args:
            lines: Encoded records, each with its newline.

        Returns:
            Whether the lines were accepted.
        """
        self.push()
        accepted = self.accept(lines)
        self.push()
        return accepted

    def accept(self, lines: bytes, rows: list[Any] | None = None, missing: int = 0) -> bool:
        """Accept lines, to be pushed later.

        Args:
            lines: Encoded records, each with its newline.
            rows: The rows they were made from: emptied at the same moment, so that a Ctrl-C finds each row
                in exactly one place.
            missing: Rows that could not be encoded; they count as lost.

        Returns:
            False if the lines were dropped because too much was queued; then fields that later
            rows carry over from earlier ones have to be written again.
        """
        rows = [] if rows is None else rows
        if self._file is None or self.size - self._pushed > WAITING_LIMIT:
            missing += lines.count(b"\n")
            self._dropped += missing
            del rows[:]
            self._report_refusal()
            return False
        added = (lines,) if lines else ()
        size = len(lines)
        # No function is called from here on.
        self.chunks += added
        self.size += size
        self._dropped += missing
        self.refusing = False
        del rows[:]
        return True

    def lose(self, number: int) -> None:
        """Count rows that were dropped before they arrived here."""
        self._dropped += number

    def _report_refusal(self) -> None:
        if not self.refusing:
            self.refusing = True
            if not self._failing and self._file is not None:
                self._on_trouble(
                    f"{self.path}: the file system does not respond; the run continues, "
                    "rows are counted and dropped until it does"
                )

    def look(self) -> bool:
        """Check that the descriptor still belongs to the journal and the journal was not truncated.

        A process that turns itself into a daemon closes all descriptors; their numbers are then reused for
        its own files.

        Returns:
            Whether lines may be pushed; if not, `gone` states the reason.
        """
        if self.gone is None and self._file is not None:
            try:
                status = self._file.status()
            except OSError as error:
                if is_foreign(error):
                    raise
                return True  # its file system has a problem: the write will report it
            if status is None and not self._open_again(self._file):
                self.gone = "closed by the program and removed"
            elif status is not None and status.st_size < self._bytes_in_file:
                self.gone = f"truncated from {self._bytes_in_file} to {status.st_size} bytes"
        return self.gone is None

    def look_inside(self) -> None:
        """Set `gone` if the file was truncated and has grown since: its length does not show that."""
        file, end = self._file, self._bytes_in_file
        if file is None or self.gone is not None or end < COMPARED:
            return
        try:
            reading = KeptDescriptor(
                os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            )
            try:
                if not reading.is_same_file(file):
                    return
                start = os.pread(reading.number, len(self._start), 0)
                last = os.pread(reading.number, COMPARED, end - COMPARED)
            finally:
                reading.close()
        except (OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            return
        if start != self._start or not last.strip(b"\0"):
            self.gone = "truncated and extended again"

    def _open_again(self, file: KeptDescriptor) -> bool:
        # Without waiting for a reader, in case it is now a pipe.
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            opened = KeptDescriptor(beyond_streams(os.open(self.path, flags)))
            if not opened.is_same_file(file):
                opened.close()
                return False
        except OSError as error:
            if is_foreign(error):
                raise
            return False
        self._file = opened
        self._on_trouble(f"{self.path}: the program closed the journal's descriptor; it was reopened")
        return True

    def push(self) -> None:
        """Pass the queued lines to the kernel, as far as it accepts them."""
        file = self._file
        if not self.chunks or file is None or self.gone is not None:
            return
        if self._interrupted:
            self._taken(max(os.fstat(file.number).st_size - self._bytes_in_file, 0))
            self._interrupted = False  # last: another Ctrl-C may strike here
        try:
            limit = file_size_limit()  # beyond it the kernel would send SIGXFSZ
            while self.chunks:
                chunk, room = self.chunks[0], sys.maxsize if limit is None else self._room(limit)
                self._taken(os.write(file.number, chunk[self._done : self._done + room]))
            self._failing = False
        except BaseException as error:
            # A time limit's TimeoutError is an OSError too.
            if is_foreign(error) or not isinstance(error, (OSError, MemoryError)):
                self._interrupted = True  # the kernel may have taken lines without returning their number
                raise
            if not self._failing:
                self._failing = True
                self._on_trouble(
                    f"{self.path}: {reason_of(error)}; the run continues, rows are lost until there is space"
                )

    def _room(self, limit: int) -> int:
        room = limit - self._bytes_in_file
        if room <= 0:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return room

    def _taken(self, size: int) -> None:
        while size and self.chunks:
            chunk, done = self.chunks[0], self._done
            part = min(size, len(chunk) - done)
            size -= part
            rows = chunk.count(b"\n", done, done + part)
            whole = done + part == len(chunk)
            start = self._start or chunk[: min(part, COMPARED)]
            # No function is called from here on: a Ctrl-C finds all of it done or nothing.
            self._rows_in_file += rows
            self._start = start
            self._bytes_in_file += part
            self._pushed += part
            if whole:
                self._done = 0
                del self.chunks[0]
            else:
                self._done = done + part

    def vanished(self) -> bool:
        """Return whether the journal's name no longer refers to the written file."""
        try:
            return self._file is None or not self._file.leads_to(self.path)
        except (OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            return getattr(error, "errno", None) in NO_SUCH_FILE

    @property
    def is_moved(self) -> bool:
        """Whether the written file still exists under another name; a server may only pretend that."""
        if self._file is None or self.gone is not None or not self.direct:
            return False
        try:
            status = self._file.status()
        except (OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            return False
        return status is not None and status.st_nlink > 0

    def reopen(self) -> None:
        """Continue in a new file, because the old one is gone; its rows count as lost unless it was moved.

        Raises:
            JournalPathError: No file can be created there either.
        """
        moved = self.is_moved
        if moved:
            self.push()
        file, path = _create(self.path)
        self._close()
        self._file, self.path = file, path
        self._vanished += 0 if moved else self._rows_in_file
        self._start = b""
        self._rows_in_file = self._bytes_in_file = 0
        self._give_up_waiting()
        self._interrupted = False
        self.gone = None

    def resume(self) -> None:
        """Continue in the same file, because no new one can be created; its lost rows are counted."""
        self.gone = None
        status = None if self._file is None else self._file.status()
        if status is None:
            self._file = None
        else:
            self._vanished += self._rows_in_file
            self._rows_in_file, self._bytes_in_file = 0, status.st_size
            self._start = b""

    def close(self) -> None:
        """Close the file; lines still queued, or arriving later, are counted as lost."""
        self._give_up_waiting()
        self._close()

    def discard(self) -> None:
        """Close and remove the file: the run could not start, and nothing has been written."""
        if not self._bytes_in_file and not self.vanished():
            self.path.unlink()
        self.close()

    def abandon(self) -> None:
        """Drop the file in a forked child: the parent continues with it."""
        if self.direct:
            self._close()
        self._file = None  # closing may block on a network file system; the child keeps it open until it ends

    def _give_up_waiting(self) -> None:
        chunks, self.chunks = self.chunks, []
        self._vanished += sum(chunk.count(b"\n") for chunk in chunks)
        if chunks:
            self._vanished -= chunks[0].count(b"\n", 0, self._done)  # these are in the file
        self._done = 0
        self._pushed = self.size

    def _close(self) -> None:
        file, self._file = self._file, None  # its number may be reused for another file
        if file is None:
            return
        try:
            file.close()
        except (OSError, MemoryError) as error:  # a late error of a network file system; the file is closed
            if is_foreign(error):
                raise
            self._on_trouble(f"{self.path}: {reason_of(error)} while closing; the last rows may be missing")


def reason_of(error: BaseException) -> str:
    """Return the system's error message, without the path."""
    return getattr(error, "strerror", None) or str(error) or "out of memory"


def check_directory(path: Path) -> None:
    """Fail early if no journal could be written later.

    Args:
        path: The journal's path; nothing is created.

    Raises:
        JournalPathError: The directory is missing, not a directory, or not writable.
    """
    directory = path.parent
    try:
        found = directory.is_dir()
    except PermissionError:  # a parent directory is not searchable
        found, writable = True, False
    except OSError as error:
        if is_foreign(error):
            raise
        message = f"{directory}: {error.strerror}; pass journal= with another path"
        raise JournalPathError(message) from error
    else:
        writable = os.access(directory, os.W_OK | os.X_OK)
    if not found:
        message = f"{directory}: no such directory; create it, or pass journal= with another path"
        raise JournalPathError(message)
    if not writable:
        message = f"{directory}: not writable; pass journal= with a writable path"
        raise JournalPathError(message)


def _create(path: Path) -> tuple[KeptDescriptor, Path]:
    try:
        return create_kept(path, os.O_WRONLY | os.O_APPEND)
    except OSError as error:
        if is_foreign(error):
            raise
        where = error.filename or path
        message = f"{where}: {error.strerror}; pass journal= with a writable path"
        raise JournalPathError(message) from error
