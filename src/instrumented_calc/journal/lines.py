"""Whole lines of a file in bounded memory and time, whatever the file contains.

After a crash a journal can contain blocks of NUL bytes, or a file may not be a journal at all. Runs of NUL
separate lines just as newlines do, holes of a sparse file are skipped without reading them, and a line that
is too long to be a record is skipped without being held in memory.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.errors import JournalReadError
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# Decoding a chunk has a cost of its own, about that of 100 rows; the rows of much larger ones would leave the
# processor's cache before they are read again.
CHUNK_BYTES = 240 * 1024
_LEAST_CHUNK = CHUNK_BYTES // 2
LONGEST_LINE = 1024 * 1024
# Start of a `call` line as the recorder writes it; any other spelling works too, slowly.
CALL = b'{"event":"call",'
RECORD = b'{"event":"'
# Lines that mark omitted content. No other line contains a NUL byte.
HOLE = b"\0hole"
TOO_LONG = b"\0long"

_NOTHING = bytes(CHUNK_BYTES)
_HOLES = hasattr(os, "SEEK_DATA")
_NUL_RUN = re.compile(rb"\0+")
# A record behind another on the same line: the newline is lost or is a carriage return.
_JOINED = re.compile(rb'\}[\r\t ]*(?=\{"event":")')
_FEW_LINES = 3  # in a chunk: only then joined records are searched for
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Signatures of other formats, and how to convert them.
_FOREIGN = {
    b"\x1f\x8b": "compressed with gzip: run gunzip on it first",
    b"BZh": "compressed with bzip2: run bunzip2 on it first",
    b"\xfd7zXZ": "compressed with xz: run unxz on it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: run unzstd on it first",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\xff\xfe": "UTF-16 text: convert it with iconv -f utf-16 -t utf-8",
    b"\xfe\xff": "UTF-16 text: convert it with iconv -f utf-16 -t utf-8",
}


@contextmanager
def open_lines(path: str | os.PathLike[str]) -> Iterator[Lines]:
    """Open a file as lines.

    Args:
        path: The file; it may be growing.

    Raises:
        JournalReadError: If it cannot be read, is not a regular file, or is compressed.
    """
    if "\0" in os.fsdecode(path):
        message = f"cannot read {shown_path(path)}: a NUL character in the path; give the path of a journal"
        raise JournalReadError(message)
    try:
        # A FIFO without a writer would block; opening some devices has side effects.
        _check_regular(Path(path).stat().st_mode)
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            _check_regular(status.st_mode)
            yield Lines(file, status.st_size)
    except OSError as error:
        message = f"cannot read {shown_path(path)}: {error.strerror or error}; give the path of a journal"
        raise JournalReadError(message) from error


def how_to_convert(head: bytes) -> str | None:
    """Return how to make a journal of a file with these first bytes; None if they are of no known format."""
    return next((hint for mark, hint in _FOREIGN.items() if head.startswith(mark)), None)


def _has_few_lines(data: bytes) -> bool:
    """Return whether there are at most three newlines, without looking for more of them."""
    place = -1
    for _ in range(_FEW_LINES + 1):
        place = data.find(b"\n", place + 1)
        if place < 0:
            return True
    return False


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        message = "is a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise OSError(0, message)


class Lines:
    """The lines of a file, up to its size at opening.

    Attributes:
        size: That size in bytes.
        empty_bytes: NUL bytes found so far.
        long_lines: Skipped lines of more than about `LONGEST_LINE` bytes so far.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Read from the beginning of a file."""
        self.size = size
        self.empty_bytes = 0
        self.long_lines = 0
        self._file = file
        self._in_hole = False
        self._data_end = 0

    def head(self) -> bytes:
        """Return the first bytes of the file, leaving the position at its beginning.

        Raises:
            OSError: The file is compressed or is not UTF-8; the error states how to convert it. A file that
                has only the signature of such a format, and then records, is read.
        """
        found = self._file.read(64)
        converting = how_to_convert(found)
        if converting is not None and RECORD not in self._file.read(LONGEST_LINE):
            raise OSError(0, converting)
        self._file.seek(0)
        return found

    def chunks(self) -> Iterator[bytes]:
        """Yield blocks of whole lines.

        Only the last block of the file can end within a line. `HOLE` and `TOO_LONG` are separate lines that
        mark omitted content.
        """
        parts, length = [], 0
        for piece in self._pieces():
            parts.append(piece)
            length += len(piece)
            if length >= _LEAST_CHUNK:
                chunk = b"".join(parts)
                parts, length = [], 0
                yield chunk
        if parts:
            yield b"".join(parts)

    def _pieces(self) -> Iterator[bytes]:
        """Yield blocks of whole lines; between the holes of a sparse file they can be short."""
        if self.head().startswith(_BYTE_ORDER_MARK):
            self._file.seek(len(_BYTE_ORDER_MARK))
        while (here := self._file.tell()) < self.size:
            left = self._end_of_data(here) - here
            data = self._file.read(min(CHUNK_BYTES, left))
            if left and not data:
                break
            if not left or (data[0] == 0 and data == _NOTHING[: len(data)]):
                if not self._in_hole:
                    yield HOLE + b"\n"
                self._in_hole = True
                self.empty_bytes += len(data) + self._skip_hole()
                continue
            self._in_hole = False
            skipped = self.long_lines
            if not data.endswith((b"\n", b"\0")):
                data = self._completed(data)
            if _has_few_lines(data):
                data = _JOINED.sub(b"}\n", data)
            if b"\0" in data:
                data = self._without_nul(data)
            if self.long_lines > skipped:
                data += TOO_LONG + b"\n"
            yield data

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield single lines with their newline, and their numbers; the file's last may lack one."""
        first = 1
        for chunk in self.chunks():
            *whole, rest = chunk.split(b"\n")
            for number, line in enumerate(whole, first):
                yield number, line + b"\n"
            first += len(whole)
            if rest:
                yield first, rest

    def _completed(self, data: bytes) -> bytes:
        """Read on to the end of the last line or a hole, or drop that line if it is too long."""
        left = self._data_end - self._file.tell()
        data += self._file.readline(max(0, min(LONGEST_LINE, left)))
        here = self._file.tell()
        if data.endswith((b"\n", b"\0")) or here >= self.size:
            return data
        if here >= self._data_end:
            return data + b"\n"
        cut = max(data.rfind(b"\n"), data.rfind(b"\0")) + 1
        joined = [found.end() for found in _JOINED.finditer(data, cut)]
        if len(data) - max([cut, *joined]) <= LONGEST_LINE and (cut or joined):
            self._file.seek(max([cut, *joined]) - len(data), os.SEEK_CUR)
            return data[: joined[-1]] + b"\n" if joined else data[:cut]
        self.long_lines += 1
        self._skip_line()
        return data[:cut]

    def _skip_line(self) -> None:
        """Skip to the end of the line, or to the NUL bytes within it."""
        while (left := self.size - self._file.tell()) > 0:
            data = self._file.read(min(CHUNK_BYTES, left))
            if not data:
                return
            ends = [place for place in (data.find(b"\n"), data.find(b"\0")) if place >= 0]
            if ends:
                self._file.seek(min(ends) - len(data), os.SEEK_CUR)
                return

    def _end_of_data(self, here: int) -> int:
        """Return where the data at this offset ends: at a hole, which is not read, or at the end."""
        if here >= self._data_end:
            hole = self._find(here, os.SEEK_HOLE) if _HOLES else None
            self._data_end = self.size if hole is None else min(hole, self.size)
        return self._data_end

    def _skip_hole(self) -> int:
        """Skip to the next data of a sparse file; return the number of skipped bytes."""
        here = self._file.tell()
        there = self._find(here, os.SEEK_DATA) if _HOLES else here
        there = self.size if there is None else min(there, self.size)
        if there <= here == self._data_end:
            self._data_end = self.size  # written meanwhile: read on
        self._file.seek(there)
        return there - here

    def _find(self, here: int, wanted: int) -> int | None:
        """Return the offset of the next data or hole; None if only a hole follows.

        On a file system that does not know holes all is data.
        """
        descriptor = self._file.fileno()
        # The buffered file depends on the descriptor's offset.
        offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            return os.lseek(descriptor, here, wanted)
        except OSError as error:
            return None if error.errno == errno.ENXIO or wanted == os.SEEK_HOLE else here
        finally:
            os.lseek(descriptor, offset, os.SEEK_SET)

    def _without_nul(self, data: bytes) -> bytes:
        self.empty_bytes += data.count(b"\0")
        return _NUL_RUN.sub(b"\n" + HOLE + b"\n", data)
