"""The states of a run: waiting for its first call, recording, ended; and its lanes and forks.

A recorder costs nothing until its first call, which starts a `Recording` and a small daemon thread that
writes the journal. Internal errors are logged once and counted; the user's run continues.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.capture.environment.environment import mpi_rank
from instrumented_calc.capture.notices import warn
from instrumented_calc.capture.open_calls import active, after_fork_in_child
from instrumented_calc.capture.run import process_hooks
from instrumented_calc.capture.run.header import new_run_id
from instrumented_calc.capture.run.last_failure import failure_of_program
from instrumented_calc.capture.run.pulse import FORK_PATIENCE_S, Pulse
from instrumented_calc.capture.run.recording import Recording, guarded
from instrumented_calc.errors import JournalPathError
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.records import Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.places.step_profiling import StepProfiling
    from instrumented_calc.capture.rows.live_evidence import LiveEvidence
    from instrumented_calc.capture.rows.row_maker import RowMaker
    from instrumented_calc.capture.settings import Settings
    from instrumented_calc.capture.tracing.windows import Windows
    from instrumented_calc.journal.records import Finding, RunStart

END_PATIENCE_S = process_hooks.END_PATIENCE_S
LONGEST_MARK = 10_000  # characters
MOST_EARLY_MARKS = 1_000  # the newest ones made before the first call
RETRY_S = 10.0  # a journal that could not be created is tried again after this time
RETRY_SHARE = 100  # a file system that hangs delays a call by seconds: for a hundredth of the time at most

# What 0.1.0 did not count: absent from its journals, and so not 0 by default.
COUNTED_BY_LANES = ("unchecked", "not_finite", "velocity_changes", "fingerprints")
STREAKS_OF_LANES = ("zero_forces", "same_energy")

WAITING, RECORDING, ENDED = "waiting", "recording", "ended"


class Recorder:
    """One run: its journal, its clock and its counters.

    Args:
        settings: The user's settings.
        clock: Monotonic clock in ns; tests inject an exact one.
        on_end: Called once with the recorder when its journal is complete.
        judge: Given the evidence so far, returns the findings to report during the run; called periodically
            by the journal's thread.
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
        self.lanes: weakref.WeakValueDictionary[int, LiveLane] = weakref.WeakValueDictionary()
        self._given_driver: weakref.ref[Any] | None = None
        self._undo: list[Callable[[], object]] = []
        self._early_marks: deque[str] = deque(maxlen=MOST_EARLY_MARKS)
        self._wrapped_class = ""  # of the newest wrapped calculator
        self.may_stay_unused = False  # copies may calculate in other processes
        self._retry_at = 0.0  # time before which no journal is created, because that has failed
        self._get_ready()
        process_hooks.remember(self)

    def _get_ready(self) -> None:
        self.state = WAITING
        self.recording: Recording | None = None  # made by the first call, and kept after the end
        self.maker: RowMaker | None = None  # that of the recording while calls are recorded: the hot path's
        self.counters = Counters(**dict.fromkeys((*COUNTED_BY_LANES, *STREAKS_OF_LANES), 0))
        self._opening_cpu_ns = 0  # processor time that the creation of the journal took
        self._forks = 0
        self._collected_calls = 0  # of lanes that were collected
        self._lock = threading.RLock()  # of the states; never held on the hot path
        self._pulse = Pulse(self._beat_or_fault, promptly=self.settings.places)
        self._end_asked: str | None = None  # the reason, if the journal's thread must end the run
        self._ending: int | None = None  # the thread that completes the journal
        self._ended = threading.Event()

    def follow(self, driver: Any, undo: Callable[[], object]) -> None:
        """Set the driver that the user named, if none is found on the stack.

        Args:
            driver: An ASE dynamics or optimizer; held weakly.
            undo: Called when the run ends.
        """
        self._given_driver = weakref.ref(driver)
        if self.maker is not None:
            self.maker.phases.follow(driver)
        self._undo.append(undo)

    def number_of(self, calculator: Any) -> int:
        """Return a calculator's lane number: the same each time it is wrapped in this run."""
        key, numbered = id(calculator), self._numbered
        self._wrapped_class = type(calculator).__name__
        known = numbered.get(key)
        if known is not None and known[0]() is calculator:
            return known[1]
        number = next(self._lane_numbers)
        with contextlib.suppress(TypeError):  # calculators without weak references cannot be recognised
            numbered[key] = weakref.ref(calculator, lambda _: numbered.pop(key, None)), number
        return number

    def time_libraries(self) -> None:
        """Time functions of the libraries that are loaded, such as neighbour lists, until the run ends."""
        recording = self.recording
        if recording is not None:
            self._guarded("timing of libraries", recording.time_libraries)

    def mark(self, text: object) -> None:
        """Write a user's note, or keep it until the first call; long ones are cut."""
        note, recording = str(text)[:LONGEST_MARK], self.recording
        if self.state is WAITING:
            self._early_marks.append(note)
        elif self.state is RECORDING and recording is not None:
            self._guarded("mark", lambda: recording.notices.info("mark", note))

    def _write_early_marks(self, recording: Recording) -> None:
        while self._early_marks:
            recording.notices.info("mark", self._early_marks.popleft())

    def progress(self) -> tuple[int, int]:
        """Return the number of calls so far, and the time from the start of the run to the last one's end.

        Returns:
            The calls, nested ones too; the time in ns, 0 before the end of the first call.
        """
        calls = self._collected_calls + sum(lane.calls for lane in self._living_lanes())
        return calls, 0 if self.recording is None else self.recording.elapsed_ns

    def flush(self) -> None:
        """Pass all rows so far to the kernel, or as many as it accepts in a few seconds."""
        if self.state is RECORDING and self.recording is not None:
            self.recording.flush(END_PATIENCE_S)

    def lose_row(self) -> None:
        """Count a call whose row could not be made."""
        self.counters.lost_rows += 1

    def fault(self, where: str, error: BaseException) -> None:
        """Count an internal error and report the first."""
        self.counters.faults += 1
        if self.counters.faults == 1 and self.state is RECORDING and self.recording is not None:
            with own_faults_dropped():  # the journal may be the cause
                self.recording.notices.warn(
                    "recorder-fault",
                    f"internal error in the {where} ({type(error).__name__}: {error}); the run continues, "
                    "its journal may be incomplete; please report it",
                )

    def _guarded(self, where: str, action: Callable[[], object]) -> None:
        guarded(where, action, self.fault)

    @property
    def path(self) -> Path | None:
        """The journal, once there is one."""
        return None if self.recording is None else self.recording.writer.path

    @property
    def windows(self) -> Windows | None:
        """The trace windows, once there are any."""
        return None if self.recording is None else self.recording.windows

    @property
    def step_profiling(self) -> StepProfiling | None:
        """The step profiles, once there can be any."""
        return None if self.recording is None else self.recording.step_profiling

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
            if self.state is ENDED or self.maker is not None:
                return self.maker
            if self.recording is None and not self._open():
                return None
            return self._begin()

    def _open(self) -> bool:
        """Create the journal; return whether that was possible."""
        if time.monotonic() < self._retry_at:
            self.lose_row()
            return False
        began, began_cpu = self.clock(), time.thread_time_ns()
        try:
            recording = self._record()
        except BaseException as error:
            if is_foreign(error):
                raise  # the next call tries again
            self._postpone(error, spent_s=(self.clock() - began) / 1e9)
            return False
        self._opening_cpu_ns = time.thread_time_ns() - began_cpu
        self.recording, self.state = recording, RECORDING
        return True

    def _begin(self) -> RowMaker | None:
        """Begin to record in the journal; the next call does it if an exception of the user's interrupts."""
        recording = self.recording
        if recording is None:
            return None
        if self.counters.lost_rows:
            text = f"{self.counters.lost_rows} calls were made before the journal could be created"
            recording.notices.info("rows-lost", text, lost_rows=self.counters.lost_rows)
        self._guarded("mark", lambda: self._write_early_marks(recording))
        self._start_pulse()
        process_hooks.watch()
        recording.maker.begin(recording.probes, self._opening_cpu_ns)
        self.maker = recording.maker
        recording.announce_start()
        return self.maker

    def _postpone(self, error: BaseException, spent_s: float) -> None:
        """Try again later, if the journal could not be created; anything else ends the run."""
        if not self._retry_at:  # the first time
            words = str(error)
            if isinstance(error, JournalPathError):
                words = error.with_option(self.settings.path_option)
            warn(f"nothing is recorded: {words}", kind="no-journal", run_id=self.run_id)
        if isinstance(error, JournalPathError):
            self.lose_row()
            self._retry_at = time.monotonic() + max(RETRY_S, RETRY_SHARE * spent_s)
        else:
            self.state = ENDED
            process_hooks.forget(self)

    def _record(self) -> Recording:
        return Recording(
            self.settings,
            run_id=self.run_id,
            parent_run_id=self.parent_run_id,
            clock=self.clock,
            counters=self.counters,
            totals=self._totals,
            driver=None if self._given_driver is None else self._given_driver(),
            judge=self.judge,
            fault=self.fault,
        )

    def _start_pulse(self) -> None:
        if not self._pulse.start() and self.recording is not None:
            self.recording.maker.keeping_up.direct = True  # the calls write themselves

    def _beat_or_fault(self) -> None:
        began = time.thread_time_ns()
        try:
            self._beat()
        except Exception as error:  # noqa: BLE001 - no code of the user runs in this thread
            self.fault("journal's thread", error)
        if self.recording is not None:
            # It runs next to the calls, but while it encodes it holds the interpreter.
            self.recording.maker.self_ns += time.thread_time_ns() - began

    def _beat(self) -> None:
        if self._end_asked is not None:
            self.end(self._end_asked)
        if self.state is RECORDING and self.recording is not None:
            self.recording.beat(late_ns=self._pulse.late_ns)

    def _totals(self) -> Counters:
        """Return a copy of the counters, with those of the living lanes added."""
        counters = msgspec.structs.replace(self.counters, forks=self._forks)
        for lane in self._living_lanes():
            _add(counters, lane)
        return counters

    def _living_lanes(self) -> list[LiveLane]:
        references = self.lanes.valuerefs()  # a copy: other threads may start and end
        return [lane for each in references if (lane := each()) is not None]

    @property
    def _is_draining_here(self) -> bool:
        return self.recording is not None and self.recording.outbox.draining_here

    def end(self, reason: str, *, patience_s: float = END_PATIENCE_S) -> None:
        """Complete the journal, once; wait a few seconds at most for the journal's thread.

        Args:
            reason: `closed`, `collected` or `exit`.
            patience_s: How long to wait.
        """
        if self._is_draining_here:
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
        recording = self.recording
        if was is not RECORDING or recording is None:
            process_hooks.forget(self)
            if was is WAITING and not self._retry_at and not self.is_worker:
                self._guarded("end", lambda: self._say_why_nothing(reason))
            if self._ending not in (None, threading.get_ident()):
                self._ended.wait(max(deadline - time.monotonic(), 0))
            return
        try:
            complete = self._complete(recording, reason, deadline)
        finally:
            self._ending = None
            process_hooks.forget(self)
            self._ended.set()
        if not complete:
            why = "the file system does not respond" if self._pulse.is_blocked else "this machine is too busy"
            recording.report_trouble(f"{self.path}: {why}; the end of the journal may be missing")
            return
        recording.announce_end(reason)
        if self.on_end is not None:
            self._guarded("summary", lambda: self.on_end and self.on_end(self))

    @property
    def answers(self) -> int:
        """Return how often calculators of the run returned a property, calculated or cached."""
        counters = self._totals()
        return counters.get_property - counters.not_implemented

    def _say_why_nothing(self, reason: str) -> None:
        """Warn of a run that ends without a call: nothing was calculated, or not by `calculate`."""
        answers = self.answers
        if answers > 0:
            warn(_unseen(answers))
            return
        silent = self.may_stay_unused or self.settings.summary is False or mpi_rank()
        if self._wrapped_class and not silent and failure_of_program(reason) is None:
            warn(_never_called(self._wrapped_class))

    def _complete(self, recording: Recording, reason: str, deadline: float) -> bool:
        """Undo all changes, then have the journal's thread write the end.

        Returns:
            Whether it was written in time.
        """
        failure = failure_of_program(reason)  # of this thread: the journal's thread handles no exception
        try:
            recording.stop(self._undo, self._living_lanes())
            if reason == "closed" and failure is None:
                self._guarded("time of contractions", recording.time_products)
        finally:  # also after a Ctrl-C
            left = max(deadline - time.monotonic(), 0)
            complete = self._pulse.finish(
                lambda: self._guarded("end", lambda: recording.write_end(reason, failure)),
                left,
                may_take_over=recording.can_write_here,
            )
        return complete

    def let_go(self, lane: LiveLane) -> None:
        """Note that a wrapped calculator was collected; the last one of a run of its own ends the run."""
        self.lanes.pop(id(lane), None)
        self._collected_calls += lane.calls
        _add(self.counters, lane)
        if self.lanes or not self.settings.own_run or self.is_worker:
            return
        # Collected during our own work or in another thread's: left to the pulse.
        self._end_asked = "collected"
        if active.stack or self._is_draining_here:
            return
        if self._lock.acquire(blocking=False):
            try:
                self.end("collected")
            finally:
                self._lock.release()

    # -- fork -----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Leave nothing in memory and no thread that a child could inherit in an inconsistent state."""
        self.may_stay_unused = True
        recording = self.recording
        if self.state is not RECORDING or recording is None:
            return
        if self._pulse.pause() and recording.writer.direct:
            self._guarded("fork", lambda: recording.outbox.drain(timeout=FORK_PATIENCE_S))

    def after_fork_in_parent(self) -> None:
        """Have the next call restart the journal's thread: Python 3.13 warns of a start right here."""
        if self.maker is not None:
            self._forks += 1
            self.maker.revive(self._start_pulse)

    def after_fork_in_child(self) -> None:
        """Become a run of the child's own, which opens its journal at the child's first call."""
        if self.state is RECORDING and self.recording is not None:
            self.recording.leave_to_parent()
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


def _never_called(name: str) -> str:
    return (
        f"nothing is recorded: {name} was wrapped, but the wrapped calculator was never called; assign it: "
        "atoms.calc = ProfiledCalculator(calc)"
    )


def _unseen(answers: int) -> str:
    return (
        f"nothing is recorded: calculate() was never called (requests answered: {answers}); if the calculator"
        " delegates to another one, wrap that one"
    )


def _add(counters: Counters, lane: LiveLane) -> None:
    counters.get_property += lane.asked
    counters.cache_hits += lane.cache_hits
    counters.not_implemented += lane.not_implemented
    for name in COUNTED_BY_LANES:
        setattr(counters, name, getattr(counters, name) + getattr(lane, name))
    for name in STREAKS_OF_LANES:
        setattr(counters, name, getattr(counters, name) + getattr(lane, name).calls)
