"""Appends whole lines to a journal's file, whatever happens to the disk, the file or the descriptor.

Lines are first accepted, which touches no file, and then pushed to the kernel in one `os.write` on a
descriptor opened with `O_APPEND`: a killed process leaves at most one torn line, and what `os.write` has
taken survives it. Nothing is ever fsynced.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import JournalPathError
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.kept_descriptor import KeptDescriptor, create_kept
from instrumented_calc.journal.mounts import on_network_file_system
from instrumented_calc.journal.new_file import beyond_streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What may wait in memory while the disk does not take it; newer rows are then counted as lost.
WAITING_LIMIT = 4_000_000
# What says that a file was removed; other errors say that its file system is in trouble.
NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ELOOP)


class JournalWriter:
    """One journal's file, open for appending.

    One thread at a time accepts lines and one at a time pushes them; these may be two, so that a write
    that hangs holds up nobody who accepts.

    Args:
        path: File to make. If it exists, `name-2.jsonl`, `name-3.jsonl`, ... are tried: no journal is
            ever overwritten.
        on_trouble: Called with a text when rows begin to be refused.

    Raises:
        JournalPathError: The file cannot be made.

    Attributes:
        path: The file that is written.
        size: Bytes accepted so far.
        direct: Whether a calculating thread may write; on a network file system, which may stop
            answering, only the journal's own thread does.
        gone: Why the file can no longer be written, or None.
        refusing: Whether the last lines were dropped because too much was waiting.
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
        self._chunks: list[bytes] = []  # accepted, not yet written
        self._done = 0  # bytes of the first one that are written
        self._pushed = 0  # bytes that were written or given up
        self.refusing = False
        self._dropped = 0  # rows that were not accepted
        self._vanished = 0  # rows that were accepted, and are not in the file
        self._failing = False
        self._interrupted = False
        self._bytes_in_file = 0
        self._rows_in_file = 0
        self.size = 0
        self.gone: str | None = None

    @property
    def lost(self) -> int:
        """Rows that are not in the file."""
        return self._dropped + self._vanished

    @property
    def waiting(self) -> int:
        """Bytes that were accepted and have not been written."""
        return self.size - self._pushed

    def write(self, lines: bytes) -> bool:
        """Push what is waiting, then accept and push lines.

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
        """Take lines over, to be pushed later.

        Args:
            lines: Encoded records, each with its newline.
            rows: What they were made from: emptied in the same moment, so that a Ctrl-C finds each row
                either here or there.
            missing: Rows that could not be encoded; they count as lost.

        Returns:
            False if the lines were dropped, because too much was waiting already; then what later
            rows take from earlier ones has to be written again.
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
        self._chunks += added
        self.size += size
        self._dropped += missing
        self.refusing = False
        del rows[:]
        return True

    def lose(self, number: int) -> None:
        """Count rows that were given up before they came here."""
        self._dropped += number

    def _report_refusal(self) -> None:
        if not self.refusing:
            self.refusing = True
            if not self._failing and self._file is not None:
                self._on_trouble(
                    f"{self.path}: the file system does not answer; the run goes on, "
                    "rows are counted and dropped until it does"
                )

    def look(self) -> bool:
        """Find out whether the descriptor still is the journal's and the journal as long as it was.

        A process that turns itself into a daemon closes all descriptors; their numbers are then given to
        files of its own.

        Returns:
            Whether lines may be pushed; if not, `gone` says why.
        """
        if self.gone is None and self._file is not None:
            try:
                status = self._file.status()
            except OSError as error:
                if is_foreign(error):
                    raise
                return True  # its file system is in trouble: the write will tell
            if status is None and not self._open_again(self._file):
                self.gone = "closed by the program and removed"
            elif status is not None and status.st_size < self._bytes_in_file:
                self.gone = f"truncated from {self._bytes_in_file} to {status.st_size} bytes"
        return self.gone is None

    def _open_again(self, file: KeptDescriptor) -> bool:
        # Without waiting for a reader, should it be a pipe by now.
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
        self._on_trouble(f"{self.path}: the program closed the journal's descriptor; it was opened again")
        return True

    def push(self) -> None:
        """Hand what is waiting to the kernel, as far as it takes it."""
        file = self._file
        if not self._chunks or file is None or self.gone is not None:
            return
        if self._interrupted:
            self._taken(max(os.fstat(file.number).st_size - self._bytes_in_file, 0))
            self._interrupted = False  # last: another Ctrl-C may strike here
        try:
            while self._chunks:
                chunk = self._chunks[0]
                self._taken(os.write(file.number, chunk[self._done : self._done + self._room()]))
            self._failing = False
        except BaseException as error:
            # A time limit's TimeoutError is an OSError too.
            if is_foreign(error) or not isinstance(error, (OSError, MemoryError)):
                self._interrupted = True  # the kernel may have taken lines without returning their number
                raise
            if not self._failing:
                self._failing = True
                self._on_trouble(
                    f"{self.path}: {reason_of(error)}; the run goes on, rows are lost until there is room"
                )

    def _room(self) -> int:
        """Return how many bytes the process may add: past its limit the system kills it by SIGXFSZ."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit == resource.RLIM_INFINITY:
            return sys.maxsize
        room = limit - self._bytes_in_file
        if room <= 0:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return room

    def _taken(self, size: int) -> None:
        while size and self._chunks:
            chunk, done = self._chunks[0], self._done
            part = min(size, len(chunk) - done)
            size -= part
            rows = chunk.count(b"\n", done, done + part)
            whole = done + part == len(chunk)
            # No function is called from here on: Ctrl-C finds all of it done or nothing.
            self._rows_in_file += rows
            self._bytes_in_file += part
            self._pushed += part
            if whole:
                self._done = 0
                del self._chunks[0]
            else:
                self._done = done + part

    def vanished(self) -> bool:
        """Return whether the journal's name no longer leads to the file that is written."""
        try:
            return self._file is None or not self._file.leads_to(self.path)
        except (OSError, MemoryError) as error:
            if is_foreign(error):
                raise
            return getattr(error, "errno", None) in NO_SUCH_FILE

    def reopen(self) -> None:
        """Go on in a new file, because the old one is gone; its rows count as lost.

        Raises:
            JournalPathError: No file can be made there either.
        """
        file, path = _create(self.path)
        self._close()
        self._file, self.path = file, path
        self._vanished += self._rows_in_file
        self._rows_in_file = self._bytes_in_file = 0
        self._give_up_waiting()
        self._interrupted = False
        self.gone = None

    def resume(self) -> None:
        """Go on in the file as it is, because no new one can be made; what it has lost counts as lost."""
        self.gone = None
        status = None if self._file is None else self._file.status()
        if status is None:
            self._file = None
        else:
            self._vanished += self._rows_in_file
            self._rows_in_file, self._bytes_in_file = 0, status.st_size

    def close(self) -> None:
        """Close the file; what is still waiting, or comes later, is counted as lost."""
        self._give_up_waiting()
        self._close()

    def discard(self) -> None:
        """Close the file and remove it: the run could not begin, and nothing has been written."""
        if not self._bytes_in_file and not self.vanished():
            self.path.unlink()
        self.close()

    def abandon(self) -> None:
        """Forget the file in a forked child: the parent goes on with it."""
        if self.direct:
            self._close()
        self._file = (
            None  # to close it on a network file system may hang; the child has it open until it ends
        )

    def _give_up_waiting(self) -> None:
        chunks, self._chunks = self._chunks, []
        self._vanished += sum(chunk.count(b"\n") for chunk in chunks)
        if chunks:
            self._vanished -= chunks[0].count(b"\n", 0, self._done)  # those are in the file
        self._done = 0
        self._pushed = self.size

    def _close(self) -> None:
        file, self._file = self._file, None  # its number may soon be another file's
        if file is None:
            return
        try:
            file.close()
        except (OSError, MemoryError) as error:  # a network file system's late answer; it is closed
            if is_foreign(error):
                raise
            self._on_trouble(
                f"{self.path}: {reason_of(error)} as it was closed; its last rows may be missing"
            )


def reason_of(error: BaseException) -> str:
    """Return the system's words for an error, without the path that it names."""
    return getattr(error, "strerror", None) or str(error) or "out of memory"


def check_directory(path: Path) -> None:
    """Fail early where no journal could be written later.

    Args:
        path: The journal's path; nothing is made.

    Raises:
        JournalPathError: The directory is missing, no directory, or not writable.
    """
    directory = path.parent
    try:
        found = directory.is_dir()
    except PermissionError:  # one of those above it may not be searched
        found, writable = True, False
    except OSError as error:
        if is_foreign(error):
            raise
        message = f"{directory}: {error.strerror}; pass journal= with another path"
        raise JournalPathError(message) from error
    else:
        writable = os.access(directory, os.W_OK | os.X_OK)
    if not found:
        message = f"{directory}: no such directory; make it, or pass journal= with another path"
        raise JournalPathError(message)
    if not writable:
        message = f"{directory}: not writable; pass journal= with a path that you may write"
        raise JournalPathError(message)


def _create(path: Path) -> tuple[KeptDescriptor, Path]:
    try:
        return create_kept(path, os.O_WRONLY | os.O_APPEND)
    except OSError as error:
        if is_foreign(error):
            raise
        where = error.filename or path
        message = f"{where}: {error.strerror}; pass journal= with a path that can be written"
        raise JournalPathError(message) from error
