"""Files for archive readers: they only go forward, count the output, and bound every header.

Python's archive readers trust the sizes in a header, and read a header of any length into memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.intake.archives.limits import LimitError

if TYPE_CHECKING:
    from typing import IO, BinaryIO

    from instrumented_calc.intake.archives.limits import Budget

CHUNK_BYTES = 64 * 1024
# The central directory of 20,000 members with long names.
LARGEST_READ = 4 * 2**20
ZIP_ENTRY = b"PK\1\2"


class ForwardStream:
    """A decompressed stream, for `tarfile`.

    Args:
        source: Source of the bytes.
        archive_bytes: Size of the archive.
        budget: Charged for the members.
    """

    def __init__(self, source: BinaryIO, archive_bytes: int, budget: Budget) -> None:
        self._source = source
        self._archive_bytes = archive_bytes
        self._budget = budget
        self._position = 0
        self._header_bytes = 0
        self._header = b""
        self.in_data = False

    @property
    def ended_well(self) -> bool:
        """Whether the last header block was a proper end-of-archive marker."""
        return not self._header.strip(b"\0")

    def begin_header(self) -> None:
        """Note that the next read is the header of another member."""
        self.in_data = False
        self._header_bytes = 0

    def tell(self) -> int:
        """Return the position in the stream."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            LimitError: If there are too many, for a header or in total.
        """
        if not self.in_data:
            self._header_bytes += size
            if not 0 <= self._header_bytes <= self._budget.limits.header_bytes:
                message = "a member's header is too long"
                raise LimitError(message)
            self._header = self._next(size)
            return self._header
        return self._next(size)

    def seek(self, position: int) -> None:
        """Go forward.

        Raises:
            LimitError: If the archive seeks backwards, as only a forged one does.
        """
        if position < self._position:
            message = "a member's header points backwards"
            raise LimitError(message)
        while self._position < position:
            if not self._next(min(CHUNK_BYTES, position - self._position)):
                return

    def _next(self, size: int) -> bytes:
        data = self._source.read(size)
        self._position += len(data)
        self._budget.count_bytes(len(data))
        self._budget.check_ratio(self._position, self._archive_bytes)
        return data


class BoundedReads:
    """A seekable file with bounded reads, for `zipfile`, which reads the whole directory at once.

    Args:
        source: The archive.
        members: Maximum number of entries in its directory; `zipfile` creates an object of 600 bytes for
            each.
    """

    def __init__(self, source: BinaryIO, members: int) -> None:
        self._source = source
        self._members = members
        self.seek = source.seek
        self.tell = source.tell

    def seekable(self) -> bool:
        """Return that it is seekable."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            LimitError: If a header requests too many.
        """
        data = self._source.read(LARGEST_READ + 1 if size < 0 else size) if size <= LARGEST_READ else b""
        if max(size, len(data)) > LARGEST_READ:
            message = "the archive's directory is too long"
            raise LimitError(message)
        if data.count(ZIP_ENTRY) > self._members:
            message = f"more than {self._members:,} members"
            raise LimitError(message)
        return data


class Charged:
    """A member's bytes, charged as they are read; those of a tar are charged by their stream.

    Args:
        source: Source of the bytes.
        budget: Charged for the bytes.
        archive_bytes: Size of the archive, or None if there is none.
        before: The budget's count before the archive.
    """

    def __init__(
        self, source: IO[bytes], budget: Budget, archive_bytes: int | None = None, before: int = 0
    ) -> None:
        self._source = source
        self._budget = budget
        self._archive_bytes = archive_bytes
        self._before = before

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            LimitError: If there are too many.
        """
        data = self._source.read(size)
        self._budget.count_bytes(len(data))
        if self._archive_bytes is not None:
            self._budget.check_ratio(self._budget.total_bytes - self._before, self._archive_bytes)
        return data
