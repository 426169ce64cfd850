"""The newest calls in full, beside a journal that has outgrown its limit.

A thinned journal keeps sums. What a crash needs is the opposite, the last calls before it, so each of them is
also written, complete, to the black box: two files of JSON lines that take turns. One is filled while the
other still holds the calls before; then the older one is emptied. After the first turn at least `CALLS` calls
are there at any moment. A file begins with the sums of the slice that is open then, so that the calls of a
slice that a crash keeps from being written are all accounted for.

Only plain writes are used: a memory map would kill the process with SIGBUS on a full disk.
"""

from __future__ import annotations

import os
import resource
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.kept_descriptor import create_kept
from instrumented_calc.journal.records import Call, LastCalls, black_box_path
from instrumented_calc.journal.writer import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.journal.records import Slice

CALLS = 30_000
SPAN_NS = 60_000_000_000
SHARE = 8  # of the journal's limit: what a file takes to cover SPAN_NS where calls are fast
MOST_BYTES = 64_000_000  # a file never grows beyond this and one batch, however long its rows are

AT_ONCE = 2_000  # records to encode at a time: their text takes half a megabyte
MOST_WAITING = 40  # of such texts, while the file system does not take them
UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)

_encode = msgspec.json.Encoder().encode_lines


class _File:
    """One of the two files, open for appending."""

    def __init__(self, path: Path) -> None:
        self.descriptor, self.path = create_kept(path, os.O_RDWR | os.O_APPEND)
        self.size = 0

    def write(self, lines: bytes) -> None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY and self.size + len(lines) > limit:
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

    `keep` encodes and `push` writes: two steps, because a file system may hang. Its caller sees to it that
    each is made by one thread at a time.

    Args:
        journal: The journal, beside which the files are created when the first calls are written.
        run_id: The run.
        limit: The journal's limit, in bytes.
        on_trouble: Called once with a text when the calls cannot be written.

    Attributes:
        run_id: The run.
    """

    def __init__(self, journal: Path, run_id: str, limit: int, on_trouble: Callable[[str], None]) -> None:
        self.run_id = run_id
        self._wanted = black_box_path(journal)
        self._limit = limit
        self._on_trouble = on_trouble
        self._files: list[_File] = []  # the one that is written last
        self._waiting: deque[_Batch] = deque()
        self._next: int | None = None  # what `passed` must be for a batch that continues the file
        self._closed = self._told = False
        self._begin_file()

    def _begin_file(self) -> None:
        """Forget what the file that will be written next does not hold yet."""
        self._calls = self._size = 0
        self._start_ns: int | None = None
        self._end_ns = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time for the files to change places: `turn` does it."""
        spans = self._start_ns is not None and self._end_ns - self._start_ns >= SPAN_NS
        enough = self._calls >= CALLS and (spans or self._size >= self._limit // SHARE)
        return enough or self._size >= MOST_BYTES

    def turn(self, slices: list[Slice], *, passed: int) -> None:
        """Have the next `push` begin with the older file, emptied.

        Args:
            slices: The sums of the calls that no written slice counts.
            passed: How many calls of the run there have been.
        """
        for each in slices:
            each.passed = passed
        self._begin_file()
        self._put(_Batch(_encoded(slices), passed, 0, turn=True))

    def keep(self, records: list[Any], *, passed: int) -> None:
        """Encode records, to be written by the next `push`.

        Args:
            records: Complete rows of calls, and other records, in order.
            passed: How many calls of the run came before the first of them.
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
        """Write what has been kept."""
        while self._waiting and not self._closed:
            batch = self._waiting.popleft()
            try:
                self._write(self._file(turn=batch.turn), batch)
            except (OSError, MemoryError) as error:
                if is_foreign(error):
                    raise
                if not self._told:
                    self._told = True
                    self._on_trouble(
                        f"{self._wanted}: {reason_of(error)}; the last calls before a crash are not"
                        " kept in full until it can be written"
                    )

    def _write(self, file: _File, batch: _Batch) -> None:
        lines = batch.lines
        if self._next != batch.passed:
            # A write that failed may have left half a line.
            head = _encode([LastCalls(run_id=self.run_id, passed=batch.passed)])
            lines = (b"\n" if file.size else b"") + head + lines
        self._next = None
        file.write(lines)
        self._next = batch.passed + batch.calls

    def _file(self, *, turn: bool) -> _File:
        """Return the file to write to, after the two have changed places if that is wanted."""
        files = self._files
        files[:] = [file for file in files if file.descriptor.is_ours]
        if files and not turn:
            return files[-1]
        self._next = None
        if len(files) < 2:  # noqa: PLR2004 - they take turns
            files.append(_File(self._wanted))
        else:
            files.reverse()
            files[-1].empty()
        return files[-1]

    def contents(self) -> bytes:
        """Return what the files hold, the older calls first."""
        return b"".join(
            os.pread(file.descriptor.number, file.size, 0) for file in self._files if file.descriptor.is_ours
        )

    def move_beside(self, journal: Path) -> None:
        """Start new files beside another journal: the run continues there."""
        self._wanted = black_box_path(journal)
        self._let_go()

    def _let_go(self) -> None:
        self._next = None
        while self._files:
            self._files.pop().close()

    def close(self) -> None:
        """Close the files; they stay where they are."""
        self._closed = True
        self._let_go()


def _encoded(records: list[Any]) -> bytes:
    """Encode records without those that JSON cannot hold; the journal counts and reports them."""
    try:
        return _encode(records)
    except UNENCODABLE as error:
        if is_foreign(error):
            raise
        return b"".join(_encoded([record]) for record in records) if len(records) > 1 else b""
