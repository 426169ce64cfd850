"""Follow a journal that is being written: its ends at once, what lies between later, then what is added.

The file is opened anew for each look: on a network file system that is when its size becomes known, and
nothing keeps a deleted file alive.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.lines import LONGEST_LINE
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 256 * 1024  # the header, the meaning of the fields, the first calculators and drivers
TAIL_BYTES = 512 * 1024  # a few thousand calls
SPOTS, SPOT_BYTES = 48, 8 * 1024  # samples of what lies between
MOST_NEWS = 8 * 1024 * 1024  # of a reader that was suspended: more is sampled like the middle of the file
PIECE_BYTES = 4 * 1024 * 1024
MARK_BYTES = 256  # of the beginning, with the run's id: a file that begins differently is another one
# A record that is not a call, as the recorder writes it.
_NOT_A_CALL = re.compile(rb'\n(\{"event":"(?!call")[^\n]*)(?=\n)')


@dataclass(frozen=True, slots=True)
class News:
    """What one look at a file has found.

    Attributes:
        lines: Whole lines; those of a first look are samples in order of the file.
        anew: Whether the file is another one than at the last look, or was truncated: what was known of it
            is void.
        grown: Whether anything was added since the last look, also a part of a line.
    """

    lines: list[bytes]
    anew: bool = False
    grown: bool = False


class GrowingFile:
    """The lines of one file as it grows.

    Args:
        path: The file.

    Attributes:
        path: The file.
        size: Its size at the last look, bytes.
        is_gone: Whether it did not exist at the last look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.is_gone = False
        self._mark = b""
        self._identity: tuple[int, int] | None = None
        self._read = 0  # end of the last whole line that was read
        self._skipped: list[tuple[int, int]] = []

    @property
    def skipped_bytes(self) -> int:
        """Bytes that `read_skipped` has not read yet."""
        return sum(end - begin for begin, end in self._skipped)

    @property
    def torn(self) -> bool:
        """Whether the last line was not complete at the last look."""
        return self._read < self.size

    def look(self) -> News:
        """Read what is new.

        Raises:
            JournalReadError: The file cannot be read, or is not a regular file. A file that has vanished
                since an earlier look is no error.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if self._identity is None:
                raise JournalReadError(self._message(error.strerror)) from error
            self.is_gone = True
            return News([])
        except (OSError, ValueError) as error:
            raise JournalReadError(self._message(getattr(error, "strerror", None) or str(error))) from error
        self.is_gone = False
        try:
            return self._look(descriptor)
        except OSError as error:
            raise JournalReadError(self._message(error.strerror)) from error
        finally:
            os.close(descriptor)

    def _message(self, reason: str | None) -> str:
        return (
            f"cannot read {shown_path(self.path)}: {reason or 'unknown reason'}; give the path of a journal"
        )

    def _look(self, file: int) -> News:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            reason = "is a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise OSError(0, reason)
        identity, mark = (status.st_dev, status.st_ino), os.pread(file, MARK_BYTES, 0)
        anew = identity != self._identity or status.st_size < self._read or not mark.startswith(self._mark)
        first = self._identity is None
        if anew:
            self._read, self._skipped, self.size = 0, [], 0
            self._identity = identity
        self._mark = mark
        grown = status.st_size != self.size
        self.size = status.st_size
        return News(self._new_lines(file), anew=anew and not first, grown=grown)

    def _new_lines(self, file: int) -> list[bytes]:
        lines: list[bytes] = []
        if self._read == 0 and self.size > HEAD_BYTES + TAIL_BYTES:
            head = self._whole(os.pread(file, HEAD_BYTES, 0))
            lines += head.split(b"\n")
            self._read = len(head)
        if self.size - self._read > (MOST_NEWS if self._skipped else TAIL_BYTES):
            begin = self._read
            self._read = self.size - TAIL_BYTES
            rest = os.pread(file, LONGEST_LINE, self._read).partition(b"\n")
            self._read += len(rest[0]) + len(rest[1])
            self._skipped.append((begin, self._read))
            lines += self._spots(file, begin, self._read)
        data = self._whole(os.pread(file, self.size - self._read, self._read))
        self._read += len(data)
        lines += data.split(b"\n")
        if self.size - self._read > LONGEST_LINE:  # no record is that long
            self._read = self.size
        return [line.strip(b"\0\r") for line in lines if line]

    def _whole(self, data: bytes) -> bytes:
        return data[: data.rfind(b"\n") + 1]

    def _spots(self, file: int, begin: int, end: int) -> list[bytes]:
        lines: list[bytes] = []
        for number in range(SPOTS):
            here = begin + (end - begin) * number // SPOTS
            lines += os.pread(file, min(SPOT_BYTES, end - here), here).split(b"\n")[1:-1]
        return lines

    def read_skipped(self, most: int = PIECE_BYTES) -> list[bytes]:
        """Read the records that are not calls from a part of what was skipped.

        Args:
            most: Bytes to read at most.
        """
        if not self._skipped:
            return []
        begin, end = self._skipped.pop(0)
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) != self._identity:
                    return []
                data = os.pread(file.fileno(), min(most, end - begin), begin)
        except OSError:
            return []
        whole = self._whole(data) or data
        if data and begin + len(whole) < end:
            self._skipped.insert(0, (begin + len(whole), end))
        return _NOT_A_CALL.findall(b"\n" + whole)
