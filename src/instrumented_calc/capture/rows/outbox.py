"""Pass rows to the journal: the hot path appends them; here they are thinned, encoded and written.

`rows` is a plain list: appending to it is atomic, and the only cost of a row for a calculating thread. There
are two stages, each used by one thread at a time: encoding, which touches no file, and writing, which may
hang with the file system. A row arrives with its `Context` instead of its lane; fields that equal those of
the previous row are not written again.

A Ctrl-C may strike at any point: rows in transit are kept, and the next drain continues with them.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.calls.context import Context
from instrumented_calc.capture.rows.component_names import MOST_NAMES, OTHERS, ComponentNames
from instrumented_calc.capture.rows.record_quotas import NOT_FINITE, Rations
from instrumented_calc.capture.rows.thinning import Thinner
from instrumented_calc.errors import JournalPathError
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.encoding import lines_of
from instrumented_calc.journal.records import (
    Call,
    Contractions,
    LastCalls,
    Machine,
    Notice,
    OpenCall,
    State,
    Tally,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.rows.black_box import BlackBox
    from instrumented_calc.journal.writer import JournalWriter

SLICE_ROOM = 0.05  # of the journal's limit: bytes for slices once it is reached
RATION = 0.005  # of the limit: bytes for each other kind of record
BATCH, SMALL_BATCH = 1000, 20  # rows encoded together
BYTES_A_ROW = 1000  # more than a usual row takes
AT_ONCE = 2000  # rows encoded between two writes: calls may come as fast as their rows are encoded
CROWD = 20_000  # rows that may queue for the journal's thread: some 15 MB
LAST_WORDS = (Machine, OpenCall, Tally)  # evidence of how a run ended: also written to the black box
PASSING = (OpenCall, Tally)  # only the last of these matters: not written to a thinned journal
CARRIED_EVERY = 1_000  # calls after which the carried fields are written again


class Outbox:
    """Queue between one run's rows and its journal.

    Args:
        writer: The journal's file.
        limit: Size in bytes above which calls are summed into slices.
        black_box: Receives all calls from then on, in full.
        clock: The run's clock, in ns.

    Attributes:
        rows: Records of any kind are appended here, from any thread.
        calls: Number of processed calls.
        written_until: Time on the clock; rows appended earlier have been passed to the kernel.
    """

    def __init__(
        self,
        writer: JournalWriter,
        limit: int,
        black_box: BlackBox | None = None,
        *,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.rows: list[Any] = []
        self.calls = 0
        self.written_until = clock()
        self._clock = clock
        self._writer = writer
        self._limit = limit
        self._black_box = black_box
        self._writing = threading.RLock()
        self._encoding = threading.RLock()
        self._here: set[int] = set()  # threads that drain
        self._hand: list[Any] = []  # rows in transit; those from `_next` on are not yet summed
        self._next = 0
        self._out: list[Any] = []  # the ones to write
        self._last_calls: list[Any] = []  # the ones for the black box
        self._shown: list[Call] = []  # rows that a slice counts, too
        self._passed = 0  # number of calls before those for the black box
        self._last: Context | None = None
        self._names = ComponentNames(self._names_ran_out)
        self._thinner: Thinner | None = None
        self._rations = Rations(0)
        self._carry_again = CARRIED_EVERY
        self._size_at_slice = 0

    def drain(self, *, timeout: float = -1, closing: bool = False) -> bool:
        """Pass all rows to the kernel.

        Args:
            timeout: Seconds to wait for another thread that is draining; 0: do not wait; -1: without limit.
            closing: Whether the last slice is closed too.

        Returns:
            Whether this thread could drain.
        """
        return self._alone(
            self._writing, timeout, (lambda: self._drain(closing=True)) if closing else self._drain
        )

    def relieve(self) -> None:
        """Encode waiting rows, in a thread that may not write: lines take less memory, and are bounded."""
        self._alone(self._encoding, 0, lambda: self._encode_waiting(len(self.rows)))

    def _alone(self, lock: Any, timeout: float, work: Callable[[], None]) -> bool:
        me = threading.get_ident()
        if me in self._here:  # a signal handler or a finalizer during a drain
            return False
        try:
            try:
                if not lock.acquire(blocking=timeout != 0, timeout=timeout if timeout > 0 else -1):
                    return False
                self._here.add(me)
                work()
                return True
            finally:
                self._leave(lock, me)
        except BaseException:  # Ctrl-C may have struck in the middle of leaving
            self._leave(lock, me)
            raise

    def _leave(self, lock: Any, me: int) -> None:
        self._here.discard(me)
        if lock._is_owned():  # noqa: SLF001 - whether acquire() had succeeded before a Ctrl-C is not known
            lock.release()

    @property
    def draining_here(self) -> bool:
        """Whether this thread is draining."""
        return threading.get_ident() in self._here

    def _drain(self, *, closing: bool = False) -> None:
        """Encode and write what waits.

        Slow calls wait for this, with caches full of their own work: functions that have nothing to do are
        not called.
        """
        writer = self._writer
        if not writer.look():  # rows wait here until the journal continues in another file
            return
        began = self._clock()
        if writer.chunks:
            writer.push()  # a full disk may have cut a line: its rest goes first
        # Rows that arrive from now on are left to the next drain.
        for left in range(len(self.rows), -1, -AT_ONCE):
            with self._encoding:
                self._encode_waiting(AT_ONCE)
                if closing and left < AT_ONCE and self._thinner is not None:
                    self._slice(self._thinner)
                    self._hand_over()
            if self._thinner is not None and self._black_box is not None:
                self._black_box.push()  # before the journal says that a slice has counted these calls
            writer.push()
        self.written_until = began

    def _encode_waiting(self, most: int) -> None:
        """Encode at most this many rows, first those in transit from an interrupted drain."""
        while most > 0 and (self.rows or self._hand or self._out):
            if not self._hand and not self._out:
                number = min(len(self.rows), most)
                if number > SMALL_BATCH:
                    number = min(number, self._batch())
                # No function is called in these two lines, so a Ctrl-C finds each row in exactly one place.
                self._hand += self.rows[:number]
                del self.rows[:number]
            most -= len(self._hand) or 1
            if self._thinner is None:
                self._carry()
            else:
                self._thin(self._thinner)
            self._hand_over()
            if self._thinner is None and self._writer.size >= self._limit:
                self._start_thinning()

    def _batch(self) -> int:
        """Return the batch size: small if the journal is about to reach its limit."""
        if self._thinner is not None:
            return BATCH
        return max(min((self._limit - self._writer.size) // BYTES_A_ROW, BATCH), SMALL_BATCH)

    def _hand_over(self) -> None:
        """Encode the rows in transit for the black box and the writer."""
        if self._thinner is None:
            self._passed = self.calls
        else:
            self._keep_last_calls()
        if not self._out:
            return
        lines, unencoded = lines_of(self._out)
        if unencoded:
            self._last = None
        if not self._writer.accept(lines, self._out, unencoded):
            self._last = None

    def _carry(self) -> None:
        """Drop carried fields that have not changed since the previous row.

        A row left half-way by a Ctrl-C is processed again; a processed row no longer has a context. About
        every `CARRIED_EVERY` calls all fields are written: a reader that detects missing lines does not know
        them until then.
        """
        if self.calls >= self._carry_again:
            self._last, self._carry_again = None, self.calls + CARRIED_EVERY
        last, known, calls = self._last, self._names.known, 0
        for row in self._hand:
            if type(row) is not Call:
                continue
            calls += 1
            context: Any = row.lane
            if context is last:
                row.lane = UNSET
            elif type(context) is Context:
                self._last = None
                _carry_over(row, context, last)
                self._last = last = context
            if row.components is not UNSET and not row.components.keys() <= known:
                row.components = self._names.bounded(row.components)
        # No function is called from here on.
        self.calls += calls
        self._out += self._hand
        self._hand = []

    def _thin(self, thinner: Thinner) -> None:  # noqa: C901 - runs for every call: no time is spent on structure
        """Sum calls, and pass all of them to the black box before any of them reaches the journal."""
        if self._black_box is not None and self._black_box.is_full and not self._last_calls:
            self._black_box.turn(thinner.so_far(), passed=self.calls)
        hand, last, known = self._hand, self._last_calls, self._names.known
        context: Any = None
        carried: tuple[Any, ...] = ()
        while self._next < len(hand):
            row = hand[self._next]
            if type(row) is not Call:
                if type(row) in LAST_WORDS:
                    last.append(row)
                if type(row) not in PASSING:
                    self._ration(row)
                self._next += 1
                continue
            # Each call is summed at most once, whatever interrupts.
            self.calls += 1
            self._next += 1
            if row.lane is not context:
                context = row.lane
                carried = _carried(context)
            try:
                if row.components is not UNSET and not row.components.keys() <= known:
                    row.components = self._names.bounded(row.components)
                wanted = thinner.add(row, context.phase, context.changes, context.n_atoms)
            except BaseException as error:
                self._writer.lose(1)
                if is_foreign(error):
                    raise
                continue
            row.lane, row.phase, row.n_atoms, row.properties, row.changes, row.system = carried
            last.append(row)
            if wanted:
                self._out.append(row)
                self._shown.append(row)
            if thinner.due(row.start_ns + row.wall_ns):
                self._slice(thinner)
        self._hand = []
        self._next = 0

    def _keep_last_calls(self) -> None:
        """Encode calls for the black box, and only then mark those that the journal shows."""
        last, passed = self._last_calls, self._passed
        self._last_calls, self._passed = [], self.calls
        if self._black_box is not None and last:
            self._black_box.keep(last, passed=passed)
        for row in self._shown:
            row.sliced = True
        self._shown = []

    def _ration(self, row: Any) -> None:
        """Write a record other than a call, if its kind has room left."""
        broken = type(row) is State and row.non_finite is not UNSET
        ration = self._rations.of(type(row), NOT_FINITE if broken else getattr(row, "kind", ""))
        if ration.always or ration.passes():
            size = len(lines_of([row])[0])
            ration.spent(size)
            self._size_at_slice += size  # not from the slices' share
            self._out.append(row)

    def takes_sums(self) -> bool:
        """Return whether sums of contractions and conversions are due, or should wait and grow."""
        return self._thinner is None or self._rations.of(Contractions).passes()

    def _slice(self, thinner: Thinner) -> None:
        if thinner.close_into(self._out, passed=self.calls):
            if self._black_box is not None:
                self._last_calls.append(LastCalls(run_id=self._black_box.run_id, passed=self.calls))
            thinner.spent(self._writer.size - self._size_at_slice)
            self._size_at_slice = self._writer.size

    def _start_thinning(self) -> None:
        self._thinner = Thinner(int(SLICE_ROOM * self._limit))
        self._rations = Rations(int(RATION * self._limit))
        self._size_at_slice = self._writer.size
        self._last = None
        self.rows.append(
            Notice(
                kind="journal-thinned",
                level="info",
                text=f"the journal reached {self._limit} bytes: from now on it has exact sums per slice,"
                " full rows only for slow, failed and sampled calls, and other records while there is room",
            )
        )

    def _names_ran_out(self) -> None:
        self.rows.append(
            Notice(
                kind="component-names",
                level="info",
                text=f"more than {MOST_NAMES} names of spans and parts: others are summed as {OTHERS};"
                " use span names that do not change from call to call",
            )
        )

    def note_omissions(self) -> None:
        """Record the number of omitted records before the last record is written."""
        if self._rations.left_out:
            self.rows.append(
                Notice(
                    kind="records-left-out",
                    level="info",
                    text=f"{self._rations.left_out} marks, samples and other records were left out",
                    details={"records": self._rations.left_out},
                )
            )

    @property
    def thinned(self) -> bool:
        """Whether calls are already summed into slices."""
        return self._thinner is not None

    def newest_calls(self) -> bytes:
        """Return the lines of the black box, or nothing while the journal has all calls itself."""
        with self._writing:
            return b"" if self._black_box is None else self._black_box.contents()

    def restart_in(self, head: list[Any]) -> None:
        """Continue in a new file that starts with these records; if none can be created, in the old one.

        Args:
            head: The records that open a journal, and all descriptions so far.

        Raises:
            JournalPathError: No file can be created.
        """
        with self._writing, self._encoding:
            self._last = None
            try:
                self._writer.reopen()
            except JournalPathError:
                if self._writer.gone is None:
                    raise
                self._writer.resume()
                self._writer.write(lines_of(head)[0])
                raise
            if self._black_box is not None:
                self._black_box.move_beside(self._writer.path)
            self._writer.write(lines_of(head)[0])


def _carry_over(row: Call, context: Context, last: Context | None) -> None:
    """Set the carried fields of a row; the lane is set last and marks the row as processed."""
    try:
        _fill(row, context, last)
    except Exception as error:
        if is_foreign(error):
            raise
        _fill(row, context, None)  # requests of users may not be comparable: write all fields


def _fill(row: Call, context: Context, last: Context | None) -> None:
    if last is None or context.phase != last.phase:
        row.phase = context.phase
    if last is None or context.n_atoms != last.n_atoms:
        row.n_atoms = context.n_atoms
    if last is None or context.properties != last.properties:
        row.properties = _names(context.properties)
    if last is None or context.changes != last.changes:
        row.changes = _names(context.changes)
    if last is None or context.system != last.system:
        row.system = context.system
    row.lane = context.lane if last is None or context.lane != last.lane else UNSET


def _carried(context: Context) -> tuple[Any, ...]:
    properties, changes = _names(context.properties), _names(context.changes)
    return context.lane, context.phase, context.n_atoms, properties, changes, context.system


def _names(names: Any) -> list[str] | None:
    if names is None:
        return None
    try:
        return [names] if isinstance(names, str) else [str(name) for name in names]
    except Exception as error:  # True, or anything else that a user may pass
        if is_foreign(error):
            raise
        return None
