"""Makes one row of every real `calculate()`: the hot path, and the life of a run around it.

A recorder costs nothing until its first call: then it makes the journal, captures the environment and
starts a small daemon thread that hands waiting rows to the kernel. A fault of its own is told once,
counted, and the user's run goes on.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from instrumented_calc.capture import ends
from instrumented_calc.capture.active import active
from instrumented_calc.capture.driver import DriverWatch
from instrumented_calc.capture.driver import describe as describe_driver
from instrumented_calc.capture.environment import mpi_rank
from instrumented_calc.capture.notices import Notices
from instrumented_calc.capture.opening import new_run_id, opening_records
from instrumented_calc.capture.probes.garbage import GarbageProbe
from instrumented_calc.capture.probes.process import ProcessProbe
from instrumented_calc.capture.thinning import Thinner
from instrumented_calc.journal.records import Call, Counters, Notice, Phase, RunEnd, Tally
from instrumented_calc.journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from instrumented_calc.capture.active import Entry
    from instrumented_calc.capture.lanes import Lane

WRITE_AT_ONCE_NS = 10_000_000  # after that long without a write a row is written by the call itself
SAMPLE_EVERY_NS = 10_000_000
RAREST_SAMPLE_NS = 10_000_000_000
PULSE_S = 0.2  # what fast calls have batched is written at least this often
TALLY_EVERY_NS = 5_000_000_000
DESCRIBED_LIMIT = 10_000  # lanes and phases past that many are recorded, but not described
SLICE_ROOM = 0.08  # of max_journal: what slices may add when the limit is reached
ENERGY_TYPES = {"float", "int", "float64", "float32", "float16", "longdouble"}

WAITING, RECORDING, ENDED = "waiting", "recording", "ended"
_UNKNOWN: Any = object()


class Settings(msgspec.Struct, frozen=True):
    """What a user may set for a run.

    Attributes:
        path: Journal; made at the first call, numbered if the name is taken.
        own_run: Whether the path was given: the run then belongs to one calculator and its copies.
        overhead_budget: Share of the wall time that the recorder may take before it samples less.
        max_journal: Size in bytes past which rows are thinned.
        summary: Whether a summary is printed at the end; None: as usual.
    """

    path: str
    own_run: bool = False
    overhead_budget: float = 0.01
    max_journal: int = 256_000_000
    summary: bool | None = None


class Recorder:
    """One run: its journal, its clock and its counters.

    Args:
        settings: What the user set.
        clock: Monotonic clock in ns; tests inject an exact one.
        on_end: Called once with the recorder when its journal is complete.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = time.perf_counter_ns,
        on_end: Callable[[Recorder], None] | None = None,
        parent_run_id: str | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.on_end = on_end
        self.parent_run_id = parent_run_id
        self.run_id = new_run_id()
        self.counters = Counters()
        self.lane_numbers = itertools.count()
        self.open_lanes = 0
        self.abandoned = False
        self._given_driver: weakref.ref[Any] | None = None
        self._undo: list[Callable[[], object]] = []
        self._get_ready()
        ends.remember(self)

    def _get_ready(self) -> None:
        self.state = WAITING
        self.path: Path | None = None
        self.observers_ns = 0
        self.calculated_ns = 0
        self._pid = os.getpid()
        self._start_lock = threading.RLock()
        self._writer: JournalWriter | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._origin = 0
        self._index = itertools.count()
        self._last_end = 0
        self._last_write = self._last_sample = self._last_tally = 0
        self._sample_every = SAMPLE_EVERY_NS
        self._described: set[int] = set()
        self._descriptions: list[bytes] = []
        self._phases: list[tuple[weakref.ref[Any], int]] = []
        self._phase_numbers = itertools.count(1)
        self._thinner: Thinner | None = None
        self._slice_phase: int | None = None
        self._lost_told = 0
        self._forget_carried()

    def _forget_carried(self) -> None:
        self._lane = self._phase = self._n_atoms = self._properties = self._changes = _UNKNOWN

    # -- the hot path ---------------------------------------------------------------------------------

    def begin(self, stack: list[Entry]) -> Entry | None:
        """Open a call.

        Args:
            stack: The thread's stack of open entries.

        Returns:
            The entry to hand to `finish`, or None if nothing is recorded.
        """
        entered = self.clock()
        if self.state is not RECORDING and (self.state is ENDED or not self._start()):
            return None
        row = Call(next(self._index))
        if stack:
            outer = stack[-1]
            if outer[1] is self:
                row.parent = outer[0].index
        entry = [row, self, 0]
        stack.append(entry)
        start = self.clock()
        row.start_ns = start - self._origin
        self.counters.self_ns += start - entered
        return entry

    def finish(
        self,
        entry: Entry,
        lane: Lane,
        atoms: Any,
        properties: Any,
        changes: Any,
        results: Any,
        failure: BaseException | None,
    ) -> None:
        """Close a call and write its row.

        Args:
            entry: What `begin` returned; already off the thread's stack.
            lane: The wrapped calculator's lane.
            atoms: The atoms that were calculated, or None.
            properties: What was asked for, or None if it was left to the calculator.
            changes: ASE's system_changes, or None if they are not known.
            results: The calculator's results.
            failure: The exception that ended the call.
        """
        end = self.clock() - self._origin
        row: Call = entry[0]
        wall = end - row.start_ns
        row.wall_ns = wall
        counters = self.counters
        if failure is not None:
            row.failure = type(failure).__qualname__
        elif results:
            energy = results.get("energy")
            if type(energy).__name__ in ENERGY_TYPES:
                row.energy_ev = float(energy)
        watch = lane.watch
        found = watch.search()
        if found is not None:
            self._enter_phase(found, watch, row.index)
        driver = watch.driver()
        if driver is None and self._given_driver is not None:
            driver = self._given_driver()
            if driver is not None:
                self._enter_phase(driver, watch, row.index)
        if driver is not None:
            row.step = driver.nsteps
        if lane.described_in is not self._described:
            self._describe_lane(lane, atoms)
        n_atoms = None if atoms is None else len(atoms)
        with self._writer.lock:  # type: ignore[union-attr] - begin() has made it
            counters.calls += 1
            lane.calls += 1
            if failure is not None:
                counters.failed += 1
                lane.failed += 1
            if row.parent is UNSET:
                gap = row.start_ns - self._last_end
                if gap >= 0 and self._last_end:
                    row.gap_ns = gap
                if end > self._last_end:
                    self._last_end = end
                self.calculated_ns += wall
                if self.observers_ns:
                    row.observers_ns, self.observers_ns = self.observers_ns, 0
            else:
                counters.nested += 1
            if end - self._last_sample >= self._sample_every:
                self._sample(row, end)
            if self._thinner is None or self._thin(row, changes, n_atoms, watch.phase):
                self._carry(row, lane.number, watch.phase, n_atoms, properties, changes)
                if not self._writer.append(self._encode(row)):  # type: ignore[union-attr]
                    self._forget_carried()
        if end - self._last_write >= WRITE_AT_ONCE_NS:
            self._write_at_once(end)
        counters.self_ns += self.clock() - self._origin - end

    def _carry(
        self,
        row: Call,
        lane: int,
        phase: int | None,
        n_atoms: int | None,
        properties: Sequence[str] | None,
        changes: Sequence[str] | None,
    ) -> None:
        if lane != self._lane:
            row.lane = self._lane = lane
        if phase != self._phase:
            row.phase = self._phase = phase
        if n_atoms != self._n_atoms:
            row.n_atoms = self._n_atoms = n_atoms
        if properties != self._properties:
            # Copied: a caller may change its list later.
            self._properties = None if properties is None else properties[:]
            row.properties = None if properties is None else _names(properties)
        if changes != self._changes:
            self._changes = None if changes is None else changes[:]
            row.changes = None if changes is None else _names(changes)

    # -- now and then ---------------------------------------------------------------------------------

    def _sample(self, row: Call, end: int) -> None:
        self._last_sample = end
        self._probe.sample(row)
        row.self_ns = self.counters.self_ns
        over = self.counters.self_ns - self._start_cost > self.settings.overhead_budget * end
        if over and self._sample_every < RAREST_SAMPLE_NS and end > 100 * SAMPLE_EVERY_NS:
            self._sample_every *= 2
            self.notices.info(
                "sampling-thinned",
                f"the recorder took more than its budget; samples now every "
                f"{self._sample_every / 1e9:g} s",
                sample_every_ns=self._sample_every,
            )

    def _write_at_once(self, end: int) -> None:
        self._last_write = end
        writer = self._writer
        if writer is None:
            return
        if writer.direct:
            writer.flush(timeout=0)
        if self._thinner is None and writer.size >= self.settings.max_journal:
            with writer.lock:
                self._thinner = Thinner(int(SLICE_ROOM * self.settings.max_journal))
                self._forget_carried()
            self.notices.info(
                "journal-thinned",
                f"the journal reached {self.settings.max_journal} bytes: from here on exact sums "
                "per slice, and whole rows only of slow, failed and sampled calls",
            )

    def _thin(self, row: Call, changes: Any, n_atoms: int | None, phase: int | None) -> bool:
        thinner = self._thinner
        assert thinner is not None  # noqa: S101 - for the type checker; the caller has looked
        if phase != self._slice_phase:
            self._write_slice()
            self._slice_phase = phase
        whole = thinner.add(row, changes, n_atoms)
        if thinner.due(row.start_ns + row.wall_ns):
            self._write_slice()
        if whole:
            row.sliced = True
            self._forget_carried()
        return whole

    def _write_slice(self) -> None:
        if self._thinner is None:
            return
        part = self._thinner.take(self._slice_phase)
        if part is not None:
            before = self._writer.size  # type: ignore[union-attr] - a thinner needs a journal
            self.write(part)
            # Whole rows and everything else that came since count as well.
            self._thinner.spent(self._writer.size - min(before, self._sliced_size))  # type: ignore[union-attr]
            self._sliced_size = self._writer.size  # type: ignore[union-attr]

    def _enter_phase(self, driver: Any, watch: DriverWatch, index: int) -> None:
        for reference, number in reversed(self._phases):
            if reference() is driver:
                watch.give(driver, number)
                return
        number = next(self._phase_numbers)
        watch.give(driver, number)
        self._phases = [(r, n) for r, n in self._phases[-64:] if r() is not None]
        self._phases.append((weakref.ref(driver), number))
        if number <= DESCRIBED_LIMIT:
            described = Phase(phase=number, index=index, **describe_driver(driver))
            self._keep_description(self._encode(described))

    def _describe_lane(self, lane: Lane, atoms: Any) -> None:
        lane.described_in = self._described
        if lane.number in self._described or len(self._described) >= DESCRIBED_LIMIT:
            return
        self._described.add(lane.number)
        record, troubles = lane.describe(atoms)
        self._keep_description(self._encode(record))
        for trouble in troubles:
            self.notices.warn("integration-failed", trouble)

    def _keep_description(self, line: bytes) -> None:
        with self._writer.lock:  # type: ignore[union-attr] - only called while recording
            self._descriptions.append(line)
            self._writer.append(line)  # type: ignore[union-attr]

    def write(self, record: Any) -> None:
        """Append a record that is no call.

        Args:
            record: One of the Structs of `journal.records`; a notice gets its time here.
        """
        if self._writer is None:
            return
        if isinstance(record, Notice):
            record.time_ns = self.clock() - self._origin
        with self._writer.lock:
            self._writer.append(self._encode(record))

    def mark(self, text: str) -> None:
        """Write a note of the user's own."""
        if self.state is RECORDING:
            self.notices.info("mark", text)

    def follow(self, driver: Any, undo: Callable[[], object]) -> None:
        """Take the driver that the user named, where none is found on the stack.

        Args:
            driver: An ASE dynamics or optimizer; held weakly.
            undo: Called when the run ends.
        """
        self._given_driver = weakref.ref(driver)
        self._undo.append(undo)

    def flush(self) -> None:
        """Hand all rows so far to the kernel."""
        if self._writer is not None and self.state is RECORDING:
            self._writer.flush()

    @property
    def is_worker(self) -> bool:
        """Whether this is a worker process or an MPI rank other than 0."""
        return self.parent_run_id is not None or bool(mpi_rank())

    # -- the life of a run ----------------------------------------------------------------------------

    def _start(self) -> bool:
        """Make the journal, at the first call; tell whether calls are recorded."""
        with self._start_lock:
            if self.state is not WAITING:
                return self.state is RECORDING
            began = self.clock()
            self.notices = Notices(self.run_id, self.write)
            try:
                self._open()
            except Exception as error:  # noqa: BLE001 - a guest must not stop the MD run
                self.state = ENDED
                self.notices.warn("no-journal", f"nothing is recorded: {error}", journal=False)
                return False
            self.state = RECORDING
            self._start_cost = self.counters.self_ns = self.clock() - began
            self._pulse_on()
            ends.watch()
            return True

    def _open(self) -> None:
        from pathlib import Path  # noqa: PLC0415 - once a run

        self._encode = msgspec.json.Encoder().encode
        path = Path(self.settings.path)
        if self.parent_run_id is not None:
            path = path.with_stem(f"{path.stem}.pid{os.getpid()}")
        elif mpi_rank():
            path = path.with_stem(f"{path.stem}.rank{mpi_rank()}")
        self._writer = JournalWriter(path, on_trouble=self._trouble)
        self.path = self._writer.path
        self._sliced_size = self.settings.max_journal
        self._origin = self.clock()
        self.started = datetime.now(timezone.utc)
        self._head = opening_records(self)
        for record in self._head:
            self.write(record)
        self._probe = ProcessProbe()
        self._garbage = GarbageProbe(self.clock)
        self._writer.flush()

    def _trouble(self, text: str) -> None:
        self.notices.warn("journal-trouble", text, journal=False)

    def _pulse_on(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(
            target=self._pulse, name="instrumented-calc journal", daemon=True
        )
        self._thread.start()

    def _pulse_off(self) -> None:
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1)

    def _pulse(self) -> None:
        stop = self._stop
        while not stop.wait(PULSE_S):
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - a guest must not stop the MD run
                self.fault("journal thread", error)

    def _beat(self) -> None:
        if self.abandoned:
            self.end("collected")
            return
        writer = self._writer
        if writer is None or self.state is not RECORDING:
            return
        now = self.clock() - self._origin
        with writer.lock:
            if self._thinner is not None and self._thinner.due(now):
                self._write_slice()
        if now - self._last_tally >= TALLY_EVERY_NS:
            self._last_tally = now
            if self._thinner is None:
                self.write(Tally(time_ns=now, counters=self._counted()))
            if writer.vanished():
                self._go_on_elsewhere(writer)
        lost = writer.lost
        if writer.flush() and lost > self._lost_told:
            self._lost_told = lost
            self.notices.info("rows-lost", f"{lost} rows could not be written", lost_rows=lost)

    def _counted(self) -> Counters:
        if self._writer is not None:
            self.counters.lost_rows = self._writer.lost
        return self.counters

    def _go_on_elsewhere(self, writer: JournalWriter) -> None:
        old = writer.path
        with writer.lock:
            try:
                writer.reopen()
            except OSError as error:
                self._trouble(f"{old} was removed and cannot be made again: {error}")
                return
            self.path = writer.path
            self._head[0].continues = True
            for record in self._head:
                writer.append(self._encode(record))
            for line in self._descriptions:
                writer.append(line)
            self._forget_carried()
        self.notices.warn(
            "journal-removed",
            f"{old} was removed while it was written; {writer.lost} rows are gone, going on in "
            f"{writer.path}",
            lost_rows=writer.lost,
        )

    def fault(self, where: str, error: BaseException) -> None:
        """Count a fault of the recorder itself and tell it once."""
        self.counters.faults += 1
        if self.counters.faults == 1 and self.state is RECORDING:
            self.notices.warn(
                "recorder-fault",
                f"a fault in the {where} ({type(error).__name__}: {error}); the run goes on, some "
                "rows are missing; please report it",
            )

    def end(self, reason: str, *, timeout: float = -1, report: bool = True) -> None:
        """Complete the journal, once.

        Args:
            reason: `closed`, `collected`, `exit` or the name of a signal.
            timeout: Seconds to wait for a write in progress.
            report: Whether `on_end` is called.
        """
        with self._start_lock:
            was, self.state = self.state, ENDED
            ends.forget(self)
        if was is not RECORDING or self._writer is None:
            return
        self._pulse_off()
        self._garbage.close()
        for undo in self._undo:
            undo()
        now = self.clock() - self._origin
        ended = RunEnd(
            reason=reason,
            time_ns=now,
            ended=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            counters=self._counted(),
            run_id=self.run_id,
        )
        if self.observers_ns:
            ended.observers_ns = self.observers_ns
        with self._writer.lock:
            self._write_slice()
            self._writer.append(self._encode(ended))
        self._writer.flush(timeout=timeout)
        self._writer.close()
        self._probe.close()
        if report and self.on_end is not None:
            self.on_end(self)

    def let_go(self) -> None:
        """Note that a wrapped calculator is gone; the last one of a run of its own ends the run."""
        self.open_lanes -= 1
        if self.open_lanes > 0 or not self.settings.own_run or self.parent_run_id is not None:
            return
        # Collected in the middle of our own work, or in another thread's: the journal's thread does it.
        self.abandoned = True
        if not active.stack and self._start_lock.acquire(blocking=False):
            try:
                self.end("collected")
            finally:
                self._start_lock.release()

    def interrupted_write(self, then: Callable[[], None]) -> bool:
        """Have a signal handler's work done after the write that it interrupted, if there is one."""
        return self._writer is not None and self._writer.interrupted(then)

    # -- fork -----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Leave nothing in memory and no thread that a child could inherit half-way."""
        if self.state is RECORDING and self._writer is not None:
            self._pulse_off()
            self._writer.flush(timeout=1)

    def after_fork_in_parent(self) -> None:
        """Start the journal's thread again."""
        if self.state is RECORDING:
            self._pulse_on()

    def after_fork_in_child(self) -> None:
        """Become a run of the child's own, which opens its journal at the child's first call."""
        if self._writer is not None:
            self._writer.abandon()
            self._probe.close()
            self._garbage.close()
        if self.state is ENDED:
            return
        self.parent_run_id = self.run_id
        self.run_id = new_run_id()
        self.counters = Counters()
        self.on_end = None
        active.stack.clear()
        self._get_ready()


def _names(names: Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else [str(name) for name in names]
