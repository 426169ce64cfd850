"""Rows on their way to the journal: what the hot path appends, this carries, thins, encodes and writes.

`rows` is a plain list: appending to it is atomic and all that a calculating thread pays for a row. One
thread at a time drains it, under a lock that the hot path never waits for. A row comes with its `Context`
in the place of its lane; what its context shares with that of the row before is not written again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct

from instrumented_calc.capture.thinning import Thinner
from instrumented_calc.journal.records import Call, LastCalls, Machine, Notice, OpenCall, Tally

if TYPE_CHECKING:
    from instrumented_calc.capture.black_box import BlackBox
    from instrumented_calc.journal.writer import JournalWriter

SLICE_ROOM = 0.08  # of the journal's limit: what slices may add once it is reached
LAST_WORDS = (Machine, OpenCall, Tally)  # these tell how a run ended: they go to the black box
PASSING = (OpenCall, Tally)  # and these, of which only the last matters, not to a thinned journal


class Context(Struct, frozen=True):
    """What consecutive calls of a lane have in common: the carried fields of a row."""

    lane: int
    phase: int | None
    n_atoms: int | None
    properties: Any
    changes: Any


class Outbox:
    """The way of one run's rows to its journal.

    Args:
        writer: The journal's file.
        limit: Size in bytes past which calls are summed into slices.
        black_box: Takes all calls from then on, in full.

    Attributes:
        rows: Where records of any kind are appended, from any thread.
        calls: Calls that have passed.
    """

    def __init__(self, writer: JournalWriter, limit: int, black_box: BlackBox | None = None) -> None:
        self.rows: list[Any] = []
        self.calls = 0
        self._writer = writer
        self._limit = limit
        self._black_box = black_box
        self._lock = threading.RLock()
        self._draining: int | None = None
        self._encode = msgspec.json.Encoder().encode_lines
        self._thinner: Thinner | None = None
        self._last: Context | None = None
        self._size_at_slice = 0

    def drain(self, *, timeout: float = -1, closing: bool = False) -> bool:
        """Hand all rows to the kernel.

        Args:
            timeout: Seconds to wait for another thread that is draining; 0: do not wait; -1: for ever.
            closing: Whether the last slice is closed too.

        Returns:
            Whether this thread had its turn.
        """
        if not self._lock.acquire(blocking=timeout != 0, timeout=timeout if timeout > 0 else -1):
            return False
        try:
            self._draining = threading.get_ident()
            self._drain(closing=closing)
        finally:
            self._draining = None
            self._lock.release()
        return True

    def _drain(self, *, closing: bool) -> None:
        rows = self.rows
        taken = rows[:]
        del rows[: len(taken)]
        try:
            out = self._carry(taken) if self._thinner is None else self._thin(taken, self._thinner)
            if self._thinner is not None and closing:
                self._slice(self._thinner, out, [])
            lines = self._lines(out)
        except BaseException:  # Ctrl-C
            self._writer.lost += len(taken)
            self._last = None
            raise
        if self._black_box is not None:
            self._black_box.push()  # before the journal says that a slice has counted these calls
        if out and not self._writer.write(lines):
            self._last = None
        elif not out:
            self._writer.write(b"")  # what a full disk has refused before
        if self._thinner is None and self._writer.size >= self._limit:
            self._start_thinning()

    def _lines(self, out: list[Any]) -> bytes:
        try:
            return self._encode(out)
        except TypeError:  # one row holds what JSON cannot: the others are kept
            kept = []
            for row in out:
                try:
                    kept.append(self._encode([row]))
                except TypeError:  # noqa: PERF203 - each row has to be tried
                    self._writer.lost += 1
                    self._last = None
            return b"".join(kept)

    def _carry(self, rows: list[Any]) -> list[Any]:
        """Take from each row what the row before has said already."""
        last = self._last
        for row in rows:
            if type(row) is Call:
                self.calls += 1
                context: Any = row.lane
                if context is last:
                    row.lane = UNSET
                else:
                    _fill(row, context, last)
                    last = context
        self._last = last
        return rows

    def _thin(self, rows: list[Any], thinner: Thinner) -> list[Any]:
        """Sum calls, and hand all of them to the black box before anything of it is in the journal."""
        passed = self.calls
        out: list[Any] = []
        last: list[Any] = []
        shown: list[Call] = []
        context: Any = None
        carried: tuple[Any, ...] = ()
        for row in rows:
            if type(row) is not Call:
                if type(row) in LAST_WORDS:
                    last.append(row)
                if type(row) not in PASSING:
                    out.append(row)
                continue
            self.calls += 1
            if row.lane is not context:
                context = row.lane
                carried = _carried(context)
            wanted = thinner.add(row, context.phase, context.changes, context.n_atoms)
            row.lane, row.phase, row.n_atoms, row.properties, row.changes = carried
            last.append(row)
            if wanted:
                out.append(row)
                shown.append(row)
            if thinner.due(row.start_ns + row.wall_ns):
                self._slice(thinner, out, last)
        if self._black_box is not None and last:
            self._black_box.keep(last, passed=passed)
        for row in shown:
            row.sliced = True
        return out

    def _slice(self, thinner: Thinner, out: list[Any], last: list[Any]) -> None:
        parts = thinner.take()
        if parts:
            for part in parts:
                part.passed = self.calls
            out.extend(parts)
            if self._black_box is not None:
                last.append(LastCalls(run_id=self._black_box.run_id, passed=self.calls))
            thinner.spent(self._writer.size - self._size_at_slice)
            self._size_at_slice = self._writer.size

    def _start_thinning(self) -> None:
        self._thinner = Thinner(int(SLICE_ROOM * self._limit))
        self._size_at_slice = self._writer.size
        self._last = None
        self.rows.append(
            Notice(
                kind="journal-thinned",
                level="info",
                text=f"the journal reached {self._limit} bytes: from here on exact sums per slice, "
                "and whole rows only of slow, failed and sampled calls",
            )
        )

    def newest_calls(self) -> bytes:
        """Return the lines of the black box; nothing while the journal has all calls itself."""
        with self._lock:
            return b"" if self._black_box is None else self._black_box.contents()

    @property
    def thinned(self) -> bool:
        """Whether calls are summed into slices by now."""
        return self._thinner is not None

    @property
    def draining_here(self) -> bool:
        """Whether this very thread is draining."""
        return self._draining == threading.get_ident()

    def restart_in(self, head: list[Any]) -> None:
        """Go on in a new file, beginning with these records.

        Args:
            head: The records that open a journal, and what has been described so far.

        Raises:
            JournalPathError: No file can be made.
        """
        with self._lock:
            self._writer.reopen()
            self._last = None
            if self._black_box is not None:
                self._black_box.move_beside(self._writer.path)
            self._writer.write(self._encode(head))


def _fill(row: Call, context: Context, last: Context | None) -> None:
    row.lane = UNSET
    if last is None or context.lane != last.lane:
        row.lane = context.lane
    if last is None or context.phase != last.phase:
        row.phase = context.phase
    if last is None or context.n_atoms != last.n_atoms:
        row.n_atoms = context.n_atoms
    if last is None or context.properties != last.properties:
        row.properties = _names(context.properties)
    if last is None or context.changes != last.changes:
        row.changes = _names(context.changes)


def _carried(context: Context) -> tuple[Any, ...]:
    properties, changes = _names(context.properties), _names(context.changes)
    return context.lane, context.phase, context.n_atoms, properties, changes


def _names(names: Any) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else [str(name) for name in names]
