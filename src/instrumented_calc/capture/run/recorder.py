"""The life of a run, from its first call to its end.

A recorder costs nothing until its first call: then it creates the journal, captures the environment and
starts a small daemon thread that drains the outbox. Rows are made by its `RowMaker`. Internal errors are
logged once and counted; the user's run continues.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.capture.counting.numpy_einsum import NumpyEinsumProbe
from instrumented_calc.capture.counting.torch_conversions import TorchConversionsProbe
from instrumented_calc.capture.counting.torch_einsum import TorchEinsumProbe
from instrumented_calc.capture.notices import Notices, people_logger
from instrumented_calc.capture.open_calls import active, after_fork_in_child
from instrumented_calc.capture.parts.stand_ins import Components, parts_of_neighbour_lists
from instrumented_calc.capture.probes.garbage import GarbageProbe
from instrumented_calc.capture.probes.jax_compile import JaxCompileProbe
from instrumented_calc.capture.probes.process import ProcessProbe
from instrumented_calc.capture.probes.torch_compile import TorchCompileProbe
from instrumented_calc.capture.probes.torch_device import DeviceMemoryProbe
from instrumented_calc.capture.rows.black_box import BlackBox
from instrumented_calc.capture.rows.outbox import Outbox
from instrumented_calc.capture.rows.row_maker import RowMaker
from instrumented_calc.capture.run import process_hooks
from instrumented_calc.capture.run.header import journal_path, new_run_id, opening_records
from instrumented_calc.capture.run.housekeeping import Rounds
from instrumented_calc.capture.run.last_failure import failure_of_program
from instrumented_calc.capture.run.pulse import FORK_PATIENCE_S, Pulse
from instrumented_calc.capture.tracing.windows import Windows
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.records import Counters, RunEnd, Tally
from instrumented_calc.journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from instrumented_calc.capture.calls.lane import Lane
    from instrumented_calc.capture.probes import Listener
    from instrumented_calc.capture.rows.live_evidence import LiveEvidence
    from instrumented_calc.capture.settings import Settings
    from instrumented_calc.journal.records import Finding, RunStart

END_PATIENCE_S = process_hooks.END_PATIENCE_S
TALLY_EVERY_NS = 5_000_000_000
LONGEST_MARK = 10_000  # characters

# Listeners that are active from the start of a run to its end.
LISTENERS: dict[str, Callable[[RowMaker], Listener]] = {
    "garbage collection": GarbageProbe,
    "JAX's compilation": lambda _: JaxCompileProbe(),
    "numpy.einsum": lambda _: NumpyEinsumProbe(),
    "torch.einsum": lambda _: TorchEinsumProbe(),
    "torch's conversions": TorchConversionsProbe,
    "torch.compile": TorchCompileProbe,
}

WAITING, RECORDING, ENDED = "waiting", "recording", "ended"


class Recorder:
    """One run: its journal, its clock and its counters.

    Args:
        settings: The user's settings.
        clock: Monotonic clock in ns; tests inject an exact one.
        on_end: Called once with the recorder when its journal is complete.
        judge: Called periodically by the journal's thread: returns findings to report during the run.
        parent_run_id: For a worker: the run of the process that started it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = time.perf_counter_ns,
        on_end: Callable[[Recorder], None] | None = None,
        judge: Callable[[LiveEvidence, RunStart], Sequence[Finding]] | None = None,
        parent_run_id: str | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.on_end = on_end
        self.judge = judge
        self.parent_run_id = parent_run_id
        self.run_id = new_run_id()
        self._lane_numbers = itertools.count()
        self._numbered: dict[int, tuple[weakref.ref[Any], int]] = {}
        self.lanes: weakref.WeakValueDictionary[int, Lane] = weakref.WeakValueDictionary()
        self._given_driver: weakref.ref[Any] | None = None
        self._undo: list[Callable[[], object]] = []
        self._get_ready()
        process_hooks.remember(self)

    def _get_ready(self) -> None:
        self.state = WAITING
        self.counters = Counters()
        self.maker: RowMaker | None = None  # while calls are recorded
        self.head: tuple[Any, ...] = ()
        self._lock = threading.RLock()  # for infrequent work; never held on the hot path
        self._writer: JournalWriter | None = None
        self._outbox: Outbox  # set by _open(), before any call, as is the black box
        self._black_box: BlackBox
        self._pulse = Pulse(self._beat_or_fault)
        self._end_asked: str | None = None  # the reason, if the journal's thread must end the run
        self._ending: int | None = None  # the thread that completes the journal
        self._ended = threading.Event()
        self._origin = 0
        self._last_tally = 0
        self._lost_told = 0
        self._neighbour_lists: list[Components] = []
        self._listeners: list[Listener] = []
        self._windows: Windows  # set by _open(), before any call, as are the rounds
        self._rounds: Rounds

    def follow(self, driver: Any, undo: Callable[[], object]) -> None:
        """Set the driver that the user named, if none is found on the stack.

        Args:
            driver: An ASE dynamics or optimizer; held weakly.
            undo: Called when the run ends.
        """
        self._given_driver = weakref.ref(driver)
        if self.maker is not None:
            self.maker.follow(driver)
        self._undo.append(undo)

    def number_of(self, calculator: Any) -> int:
        """Return a calculator's lane number: the same each time it is wrapped in this run."""
        key, numbered = id(calculator), self._numbered
        known = numbered.get(key)
        if known is not None and known[0]() is calculator:
            return known[1]
        number = next(self._lane_numbers)
        with contextlib.suppress(TypeError):  # calculators without weak references cannot be recognised
            numbered[key] = weakref.ref(calculator, lambda _: numbered.pop(key, None)), number
        return number

    def time_neighbour_lists(self) -> None:
        """Time the neighbour lists of the libraries that are already loaded, until the run ends."""
        with self._lock:
            timed = sum(len(components) for components in self._neighbour_lists)
            parts = parts_of_neighbour_lists()[timed:]
            if parts:
                components = Components(parts)
                components.put()
                self._neighbour_lists.append(components)

    def mark(self, text: object) -> None:
        """Write a user's note; long ones are cut."""
        if self.state is RECORDING:
            try:
                self.notices.info("mark", str(text)[:LONGEST_MARK])
            except Exception as error:
                if is_foreign(error):
                    raise
                self.fault("mark", error)

    def flush(self) -> None:
        """Pass all rows so far to the kernel, or as many as it accepts in a few seconds."""
        if self.state is not RECORDING or self._writer is None:
            return
        if self._writer.direct:
            self._outbox.drain(timeout=END_PATIENCE_S)
            return
        deadline = time.monotonic() + END_PATIENCE_S  # only the journal's thread writes there
        while (self._outbox.rows or self._writer.waiting) and time.monotonic() < deadline:
            time.sleep(0.01)

    def lose_row(self) -> None:
        """Count a call whose row could not be made."""
        self.counters.lost_rows += 1

    def fault(self, where: str, error: BaseException) -> None:
        """Count an internal error of the recorder and report it once."""
        self.counters.faults += 1
        if self.counters.faults == 1 and self.state is RECORDING:
            with own_faults_dropped():  # the journal may be the cause
                self.notices.warn(
                    "recorder-fault",
                    f"internal error in the {where} ({type(error).__name__}: {error}); the run continues, "
                    "some rows are missing; please report it",
                )

    @property
    def path(self) -> Path | None:
        """The journal, once there is one."""
        return None if self._writer is None else self._writer.path

    @property
    def is_worker(self) -> bool:
        """Whether this process was forked, or spawned with a calculator, from one with a run."""
        return self.parent_run_id is not None

    # -- the life of a run ----------------------------------------------------------------------------

    def ready(self) -> RowMaker | None:
        """Return the row maker, or None if calls are not recorded; the first call creates the journal."""
        if self.state is ENDED:
            return None
        with self._lock:
            if self.state is not WAITING:
                return self.maker
            began = self.clock()
            self.notices = Notices(self.run_id, self._say)
            try:
                self._open()
            except BaseException as error:
                self.state = WAITING if is_foreign(error) else ENDED  # the next call tries again
                self._writer = None
                if is_foreign(error):
                    raise
                process_hooks.forget(self)
                self.notices.warn("no-journal", f"nothing is recorded: {error}", journal=False)
                return None
            self.state = RECORDING
            self._start_pulse()
            process_hooks.watch()
            self._maker.begin(self._probes, self.clock() - began)
            self.maker = self._maker
            return self.maker

    def _open(self) -> None:
        with contextlib.ExitStack() as undo:  # in case it fails half-way
            self._writer = JournalWriter(journal_path(self), on_trouble=self._trouble)
            undo.callback(self._writer.discard)
            self._black_box = BlackBox(
                self._writer.path,
                self.run_id,
                self.settings.max_journal,
                on_trouble=self._trouble,
            )
            undo.callback(self._black_box.close)
            self._outbox = Outbox(self._writer, self.settings.max_journal, self._black_box)
            self.started = datetime.now(timezone.utc)
            self._origin = self._last_tally = self.clock()
            self._maker = RowMaker(
                self._outbox,
                clock=self.clock,
                origin=self._origin,
                counters=self.counters,
                notices=self.notices,
                budget=self.settings.overhead_budget,
                direct=self._writer.direct,
            )
            self._maker.windows = self._windows = Windows(
                self.settings.trace,
                maker=self._maker,
                origin=self._origin,
                budget=self.settings.overhead_budget,
                journal=lambda: self.path,
                notices=self.notices,
            )
            driver = None if self._given_driver is None else self._given_driver()
            if driver is not None:
                self._maker.follow(driver)
            self.head = opening_records(self)
            self._outbox.rows.extend(self.head)
            self._probes = (ProcessProbe(), DeviceMemoryProbe())
            undo.callback(self._close_probes)
            undo.callback(self._stop_listening)
            self._listen()
            self._rounds = Rounds(
                maker=self._maker,
                outbox=self._outbox,
                windows=self._windows,
                listeners=self._listeners,
                notices=self.notices,
                start=self.head[0],
                origin=self._origin,
                journal=lambda: self.path,
                judge=self.judge,
            )
            if self._writer.direct:
                self._outbox.drain()
            undo.pop_all()

    def _listen(self) -> None:
        for name, begin in LISTENERS.items():
            try:
                self._listeners.append(begin(self._maker))
            except Exception as error:  # noqa: PERF203 - what one cannot see the others can
                if is_foreign(error):
                    raise
                self.notices.warn("not-measured", f"{name} cannot be measured here: {error}")

    def _trouble(self, text: str) -> None:
        self.notices.warn("journal-trouble", text, journal=False)

    def _say(self, notice: Any) -> None:
        notice.time_ns = self.clock() - self._origin
        self._outbox.rows.append(notice)  # not by the maker, which drops records at the end

    def _start_pulse(self) -> None:
        if not self._pulse.start():  # the calls write themselves
            self._maker.direct = True

    def _beat_or_fault(self) -> None:
        began = time.thread_time_ns()
        try:
            self._beat()
        except Exception as error:  # noqa: BLE001 - nothing of the user's runs in this thread
            self.fault("journal's thread", error)
        # It runs next to the calls, but while it encodes it holds the interpreter.
        self._maker.self_ns += time.thread_time_ns() - began

    def _beat(self) -> None:
        if self._end_asked is not None:
            self.end(self._end_asked)
        if self.state is not RECORDING or self._writer is None:
            return
        now = self.clock()
        if now - self._last_tally >= TALLY_EVERY_NS:
            self._last_tally = now
            self._maker.append(Tally(time_ns=now - self._origin, counters=self._counted()))
            if self._writer.vanished():
                self._go_on_elsewhere(self._writer, "removed")
        try:
            self._rounds.go(now)
        finally:  # an error there must not delay rows
            self._outbox.drain()
        if self._writer.gone is not None:
            self._go_on_elsewhere(self._writer, self._writer.gone)
        lost = self._writer.lost
        if lost > self._lost_told and not self._writer.refusing:  # otherwise the notice would be lost too
            self._lost_told = lost
            self.notices.info("rows-lost", f"{lost} rows could not be kept", lost_rows=lost)

    def _counted(self) -> Counters:
        """Return the current counters: those of collected lanes, and those of live ones."""
        counters = self._with_lanes(msgspec.structs.replace(self.counters, self_ns=self._maker.self_ns))
        if self._writer is not None:
            counters.calls = self._outbox.calls
            counters.lost_rows += self._writer.lost
        return counters

    def _with_lanes(self, counters: Counters) -> Counters:
        for reference in self.lanes.valuerefs():  # a copy: other threads may start and end
            lane = reference()
            if lane is not None:
                _add(counters, lane)
        return counters

    def _go_on_elsewhere(self, writer: JournalWriter, why: str) -> None:
        old, lost = writer.path, writer.lost
        self.head[0].continues = True
        try:
            self._outbox.restart_in([*self.head, *self._maker.descriptions])
        except OSError as error:
            self._trouble(f"{old} was {why}, and a new one cannot be created: {error}")
            return
        self._lost_told = writer.lost
        self.notices.warn(
            "journal-removed",
            f"{old} was {why} while it was written: {writer.lost - lost} rows are lost, "
            f"continuing in {writer.path}",
            lost_rows=writer.lost,
        )

    def end(self, reason: str, *, patience_s: float = END_PATIENCE_S) -> None:
        """Complete the journal, once; wait a few seconds at most if the file system does not respond.

        Args:
            reason: `closed`, `collected` or `exit`.
            patience_s: How long to wait.
        """
        if self._writer is not None and self._outbox.draining_here:
            self._end_asked = reason  # a signal handler or a finalizer in the middle of a drain
            return
        deadline = time.monotonic() + patience_s
        if not self._lock.acquire(timeout=max(patience_s, 0)):  # a first call is waiting for its journal
            return
        try:
            if self.state is RECORDING:
                self._ending = threading.get_ident()
            was, self.state = self.state, ENDED
            self.maker = None
        finally:
            self._lock.release()
        if was is not RECORDING or self._writer is None:
            process_hooks.forget(self)
            if was is WAITING:
                self._say_if_unseen()
            if self._ending not in (None, threading.get_ident()):
                self._ended.wait(max(deadline - time.monotonic(), 0))
            return
        try:
            complete = self._complete(reason, deadline)
        finally:
            self._ending = None
            process_hooks.forget(self)
            self._ended.set()
        if not complete:
            self._trouble(
                f"{self.path}: the file system does not answer; the end of the journal may be missing"
            )
        elif self.on_end is not None:
            self._guarded("summary", lambda: self.on_end and self.on_end(self))

    @property
    def answers(self) -> int:
        """Return how often calculators of the run returned a property, calculated or cached."""
        counters = self._with_lanes(msgspec.structs.replace(self.counters))
        return counters.get_property - counters.not_implemented

    def _say_if_unseen(self) -> None:
        """Warn that nothing is recorded of a calculator that answered requests, but never by `calculate`."""
        answers = self.answers
        if answers > 0 and not self.is_worker:
            self._guarded("end", lambda: people_logger().warning(_unseen(answers)))

    def _complete(self, reason: str, deadline: float) -> bool:
        """Undo all changes, then have the journal's thread write the end.

        Returns:
            Whether it was written in time.
        """
        failure = failure_of_program(reason)  # of this thread: the journal's thread handles no exception
        try:
            self._guarded("probes", self._stop_listening)
            for undo in (*self._undo, *(components.take_back for components in self._neighbour_lists)):
                self._guarded("timed parts", undo)
            self._guarded("contractions", lambda: self._rounds.tell_contractions(self.clock(), last=True))
            self._guarded("trace windows", self._windows.close)
            lanes = [lane for each in self.lanes.valuerefs() if (lane := each())]
            self._guarded("last inspection of results", lambda: self._maker.look_at_last(lanes))
        finally:  # also after a Ctrl-C
            self._maker.append = _drop  # calls still open in other threads end too late to be counted
            left = max(deadline - time.monotonic(), 0)
            complete = self._pulse.finish(
                lambda: self._guarded("end", lambda: self._write_end(reason, failure)), left
            )
        return complete

    def _write_end(self, reason: str, failure: tuple[str, str] | None) -> None:
        writer = self._writer
        if writer is None:
            return
        try:
            self._guarded("trace windows", lambda: self._windows.write_files(self._outbox.rows.append))
            self._outbox.drain(closing=True)
            if writer.gone is not None:
                self._go_on_elsewhere(writer, writer.gone)
                self._outbox.drain(closing=True)
            self._outbox.note_omissions()
            self._outbox.rows.append(self._last_record(reason, failure))
            self._outbox.drain()
        finally:
            writer.close()
            self._black_box.close()
            self._rounds.close()
            self._close_probes()

    def _guarded(self, where: str, action: Callable[[], object]) -> None:
        """Run a task whose internal errors must not propagate; other exceptions pass."""
        try:
            action()
        except Exception as error:
            if is_foreign(error):
                raise
            self.fault(where, error)

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _close_probes(self) -> None:
        for probe in self._probes:
            probe.close()

    def _last_record(self, reason: str, failure: tuple[str, str] | None) -> RunEnd:
        record = RunEnd(
            reason=reason,
            time_ns=self.clock() - self._origin,
            ended=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            counters=self._counted(),
            run_id=self.run_id,
        )
        if failure is not None:
            record.failure, record.failure_message = failure
        if self._maker.observers_ns:
            record.observers_ns = self._maker.observers_ns
        return record

    def let_go(self, lane: Lane) -> None:
        """Note that a wrapped calculator was collected; the last one of a run of its own ends the run."""
        self.lanes.pop(id(lane), None)
        _add(self.counters, lane)
        if self.lanes or not self.settings.own_run or self.is_worker:
            return
        # Collected during our own work or in another thread's: left to the pulse.
        self._end_asked = "collected"
        if active.stack or (self._writer is not None and self._outbox.draining_here):
            return
        if self._lock.acquire(blocking=False):
            try:
                self.end("collected")
            finally:
                self._lock.release()

    # -- fork -----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Leave nothing in memory and no thread that a child could inherit in an inconsistent state."""
        if self.state is not RECORDING or self._writer is None:
            return
        if self._pulse.pause() and self._writer.direct:
            self._guarded("fork", lambda: self._outbox.drain(timeout=FORK_PATIENCE_S))

    def after_fork_in_parent(self) -> None:
        """Have the next call restart the journal's thread: Python 3.13 warns of a start right here."""
        if self.maker is not None:
            self.maker.revive(self._start_pulse)

    def after_fork_in_child(self) -> None:
        """Become a run of the child's own, which opens its journal at the child's first call."""
        if self.state is RECORDING and self._writer is not None:
            self._writer.abandon()
            if self._writer.direct:  # closing may block on a network file system
                self._black_box.close()
            self._close_probes()
            self._stop_listening()
            for components in self._neighbour_lists:
                components.take_back()
            self._maker.append = _drop  # a call open at the fork belongs to the parent
        if self.state is ENDED:
            self._ending = None  # the thread that did it exists only in the parent
            process_hooks.forget(self)
            return
        self.parent_run_id = self.run_id
        self.run_id = new_run_id()
        self.on_end = None
        for lane in self.lanes.values():
            lane.begin()
        after_fork_in_child()
        self._get_ready()


def _unseen(answers: int) -> str:
    return (
        f"nothing is recorded: the calculator gave {answers} answers, but its calculate() was never called;"
        " if it delegates to another calculator, wrap that one"
    )


def _drop(_: Any) -> None:
    pass


def _add(counters: Counters, lane: Lane) -> None:
    counters.get_property += lane.asked
    counters.cache_hits += lane.cache_hits
    counters.not_implemented += lane.not_implemented
