"""The newest calls in full, in files next to a journal that has reached its size limit.

A thinned journal keeps sums. After a crash one needs the opposite, the last calls before it, so each of them
is also written in full to the black box: two files of JSON lines that alternate. One is filled while the
other still holds the previous calls; then the older one is emptied. After the first switch at least `CALLS`
calls are available at any moment. A file begins with the sums of the slice open at that time, so that the
calls of a slice lost in a crash are all accounted for.

Only plain writes are used: a memory map would kill the process with SIGBUS on a full disk.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.kept_descriptor import create_kept
from instrumented_calc.journal.records import Call, LastCalls, black_box_path
from instrumented_calc.journal.writer import reason_of
from instrumented_calc.own_process import file_size_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.journal.records import Slice

CALLS = 30_000
SPAN_NS = 60_000_000_000
SHARE = 8  # divisor of the journal's limit: a file this large covers SPAN_NS of fast calls
MOST_BYTES = 64_000_000  # a file never grows beyond this and one batch, however long its rows are

AT_ONCE = 2_000  # records encoded at a time: half a megabyte of text
MOST_WAITING = 40  # encoded texts kept while the file system does not accept them
UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)

_encode = msgspec.json.Encoder().encode_lines


class _File:
    """One of the two files, open for appending."""

    def __init__(self, path: Path) -> None:
        self.descriptor, self.path = create_kept(path, os.O_RDWR | os.O_APPEND)
        self.size = 0

    def write(self, lines: bytes) -> None:
        limit = file_size_limit()
        if limit is not None and self.size + len(lines) > limit:
            message = "File size limit exceeded"  # the kernel would send SIGXFSZ
            raise OSError(message)
        while lines:
            taken = os.write(self.descriptor.number, lines)
            self.size += taken
            lines = lines[taken:]

    def empty(self) -> None:
        os.ftruncate(self.descriptor.number, 0)
        self.size = 0

    def close(self) -> None:
        with own_faults_dropped():  # a network file system may report a lost write only here
            self.descriptor.close()


class _Batch(NamedTuple):
    lines: bytes
    passed: int  # calls of the run before the first of them
    calls: int
    turn: bool  # whether the files change places before


class BlackBox:
    """The last calls of one run.

    `keep` encodes and `push` writes: two steps, because a file system may hang. The caller must ensure that
    each is used by one thread at a time.

    Args:
        journal: The journal; the files are created next to it when the first calls are written.
        run_id: The run.
        limit: The journal's limit, in bytes.
        on_trouble: Called once with a message when the calls cannot be written.

    Attributes:
        run_id: The run.
    """

    def __init__(self, journal: Path, run_id: str, limit: int, on_trouble: Callable[[str], None]) -> None:
        self.run_id = run_id
        self._wanted = black_box_path(journal)
        self._limit = limit
        self._on_trouble = on_trouble
        self._files: list[_File] = []  # the last one is written to
        self._waiting: deque[_Batch] = deque()
        self._next: int | None = None  # value of `passed` for a batch that continues the file
        self._closed = self._reported = False
        self._begin_file()

    def _begin_file(self) -> None:
        """Discard the content for the next file that is not written yet."""
        self._calls = self._size = 0
        self._start_ns: int | None = None
        self._end_ns = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to switch files, see `turn`."""
        spans = self._start_ns is not None and self._end_ns - self._start_ns >= SPAN_NS
        enough = self._calls >= CALLS and (spans or self._size >= self._limit // SHARE)
        return enough or self._size >= MOST_BYTES

    def turn(self, slices: list[Slice], *, passed: int) -> None:
        """Make the next `push` start with the older file, emptied.

        Args:
            slices: Sums of the calls that are not in a written slice.
            passed: Number of calls of the run so far.
        """
        for each in slices:
            each.passed = passed
        self._begin_file()
        self._put(_Batch(_encoded(slices), passed, 0, turn=True))

    def keep(self, records: list[Any], *, passed: int) -> None:
        """Encode records for the next `push`.

        Args:
            records: Complete call rows and other records, in order.
            passed: Number of calls of the run before the first of them.
        """
        for begin in range(0, len(records), AT_ONCE):
            part = records[begin : begin + AT_ONCE]
            calls = [record for record in part if type(record) is Call]
            if calls:
                self._end_ns = calls[-1].start_ns + calls[-1].wall_ns
                self._start_ns = self._end_ns if self._start_ns is None else self._start_ns
            self._put(_Batch(_encoded(part), passed, len(calls), turn=False))
            passed += len(calls)

    def _put(self, batch: _Batch) -> None:
        self._calls += batch.calls
        self._size += len(batch.lines)
        self._waiting.append(batch)
        while len(self._waiting) > MOST_WAITING:  # the file system hangs
            self._waiting.popleft()

    def push(self) -> None:
        """Write the kept records."""
        while self._waiting and not self._closed:
            batch = self._waiting.popleft()
            try:
                self._write(self._file(turn=batch.turn), batch)
            except (OSError, MemoryError) as error:
                if is_foreign(error):
                    raise
                if not self._reported:
                    self._reported = True
                    self._on_trouble(
                        f"{self._wanted}: {reason_of(error)}; the last calls before a crash are not"
                        " kept in full until it can be written"
                    )

    def _write(self, file: _File, batch: _Batch) -> None:
        lines = batch.lines
        if self._next != batch.passed:
            # A failed write may have left half a line.
            head = _encode([LastCalls(run_id=self.run_id, passed=batch.passed)])
            lines = (b"\n" if file.size else b"") + head + lines
        self._next = None
        file.write(lines)
        self._next = batch.passed + batch.calls

    def _file(self, *, turn: bool) -> _File:
        """Return the file to write to, after switching the two files if requested."""
        files = self._files
        files[:] = [file for file in files if file.descriptor.is_ours]
        if files and not turn:
            return files[-1]
        self._next = None
        if len(files) < 2:  # noqa: PLR2004 - the two files alternate
            files.append(_File(self._wanted))
        else:
            files.reverse()
            files[-1].empty()
        return files[-1]

    def contents(self) -> bytes:
        """Return the contents of the files, older calls first."""
        return b"".join(
            os.pread(file.descriptor.number, file.size, 0) for file in self._files if file.descriptor.is_ours
        )

    def move_beside(self, journal: Path) -> None:
        """Start new files next to another journal, in which the run continues."""
        self._wanted = black_box_path(journal)
        self._let_go()

    def _let_go(self) -> None:
        self._next = None
        while self._files:
            self._files.pop().close()

    def close(self) -> None:
        """Close the files, and leave them on disk."""
        self._closed = True
        self._let_go()


def _encoded(records: list[Any]) -> bytes:
    """Encode the records that JSON can represent; the journal counts and reports the others."""
    try:
        return _encode(records)
    except UNENCODABLE as error:
        if is_foreign(error):
            raise
        return b"".join(_encoded([record]) for record in records) if len(records) > 1 else b""
