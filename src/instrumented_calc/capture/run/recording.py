"""All parts of a run that is being recorded: built as one at the first call, closed as one at the end."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from instrumented_calc._version import __version__
from instrumented_calc.capture.bounded_wait import PATIENCE_S, StillWaitingError, within
from instrumented_calc.capture.counting.numpy_einsum import NumpyEinsumProbe
from instrumented_calc.capture.counting.product_times import time_products
from instrumented_calc.capture.counting.torch_conversions import TorchConversionsProbe
from instrumented_calc.capture.counting.torch_einsum import TorchEinsumProbe
from instrumented_calc.capture.environment.debugging_aids import debugging_aids
from instrumented_calc.capture.notices import Notices
from instrumented_calc.capture.parts.libraries import TimedLibraries
from instrumented_calc.capture.places.observer_times import ObserverTimes
from instrumented_calc.capture.places.prompt_switches import prompt_switches
from instrumented_calc.capture.places.stack_samples import StackSamples
from instrumented_calc.capture.places.step_profiling import StepProfiling
from instrumented_calc.capture.probes.garbage import GarbageProbe
from instrumented_calc.capture.probes.jax_compile import JaxCompileProbe
from instrumented_calc.capture.probes.process import ProcessProbe
from instrumented_calc.capture.probes.torch_compile import TorchCompileProbe
from instrumented_calc.capture.probes.torch_device import DeviceMemoryProbe
from instrumented_calc.capture.probes.warp_compile import WarpCompileProbe
from instrumented_calc.capture.probes.workers import workers_started
from instrumented_calc.capture.rows.black_box import BlackBox
from instrumented_calc.capture.rows.outbox import Outbox
from instrumented_calc.capture.rows.row_maker import RowMaker
from instrumented_calc.capture.run.header import journal_path, opening_records
from instrumented_calc.capture.run.housekeeping import Rounds
from instrumented_calc.capture.tracing.windows import Windows
from instrumented_calc.errors import JournalPathError
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.records import ProductTimes, RunEnd, Tally
from instrumented_calc.journal.vocabulary import GARBAGE_COLLECTION, NOT_MEASURED
from instrumented_calc.journal.writer import JournalWriter
from instrumented_calc.own_process import memory_in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.interfaces import CountingMaker
    from instrumented_calc.capture.probes import Listener
    from instrumented_calc.capture.rows.live_evidence import LiveEvidence
    from instrumented_calc.capture.settings import Settings
    from instrumented_calc.journal.records import Counters, Finding, RunStart

# Share of the wall time from which on other code for a contraction is worth writing.
WORTH_SHARE = 0.03
TALLY_EVERY_NS = 5_000_000_000
LOCK_PATIENCE_S = 0.1

# Listeners to the process, open from the start of a run to its end.
LISTENERS: dict[str, Callable[[CountingMaker], Listener]] = {
    GARBAGE_COLLECTION: GarbageProbe,
    "JAX's compilation": lambda _: JaxCompileProbe(),
    "numpy.einsum": lambda _: NumpyEinsumProbe(),
    "torch.einsum": lambda _: TorchEinsumProbe(),
    "torch's conversions": TorchConversionsProbe,
    "torch.compile": TorchCompileProbe,
    "Warp's compilation": lambda _: WarpCompileProbe(),
}


class Recording:
    """One run while it is recorded. If a part cannot be built, those built before are closed again.

    Args:
        settings: The user's settings.
        run_id: The run's id.
        parent_run_id: In a worker: the id of the run of the process that started it.
        clock: Monotonic clock in ns.
        counters: The run's counters, updated by the recording.
        totals: Returns a copy of the counters, with those of the living lanes added.
        driver: The ASE dynamics or optimizer that the user named, or None.
        judge: Given the evidence so far, returns the findings to report during the run.
        fault: Counts an internal error and reports the first, given where it was.

    Attributes:
        maker: Makes rows.
        outbox: Carries rows to the journal.
        writer: Writes the journal.
        windows: The trace windows.
        step_profiling: The step profiles.
        observers: Times the drivers' observers.
        notices: The run's notices.

    Raises:
        JournalPathError: The journal cannot be created.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, all that a run consists of
        self,
        settings: Settings,
        *,
        run_id: str,
        parent_run_id: str | None,
        clock: Callable[[], int],
        counters: Counters,
        totals: Callable[[], Counters],
        driver: Any,
        judge: Callable[[LiveEvidence, RunStart], Sequence[Finding]] | None,
        fault: Callable[[str, BaseException], None],
    ) -> None:
        self._run_id = run_id
        self._clock = clock
        self._totals = totals
        self._fault = fault
        self._libraries = TimedLibraries()
        self._listeners: list[Listener] = [self._libraries]
        self._budget = settings.overhead_budget
        self._lost_reported = 0
        self._has_ended = False
        self._workers_before = workers_started()
        self._debugging_aids: dict[str, str] | None = None
        self.notices = Notices(run_id, self._append, lambda: self._clock() - self._origin)
        with contextlib.ExitStack() as undo:  # if a part fails
            path = journal_path(settings, parent_run_id)
            self.writer = writer = self._open(path)
            undo.callback(writer.discard)
            self._black_box = BlackBox(
                writer.path, run_id, settings.max_journal, on_trouble=self.report_trouble
            )
            undo.callback(self._black_box.close)
            self.outbox = Outbox(writer, settings.max_journal, self._black_box, clock=clock)
            started = datetime.now(timezone.utc)
            self._origin = self._last_tally = clock()
            self.maker = RowMaker(
                self.outbox,
                clock=clock,
                origin=self._origin,
                counters=counters,
                notices=self.notices,
                budget=settings.overhead_budget,
                direct=writer.direct,
            )
            self.observers = ObserverTimes(self.maker, clock, self._origin)
            self._listeners.append(self.observers)
            self.maker.phases.on_driver = self.observers.follow
            if driver is not None:
                self.maker.phases.follow(driver)
            self.windows = Windows(
                settings.trace,
                maker=self.maker,
                origin=self._origin,
                budget=settings.overhead_budget,
                journal=lambda: writer.path,
                notices=self.notices,
            )
            self._stack_samples = StackSamples(
                self.maker,
                self._origin,
                budget=settings.overhead_budget if settings.places else 0,
                max_journal=settings.max_journal,
                owner=threading.get_ident(),
            )
            self.step_profiling = StepProfiling(
                self.maker,
                self._origin,
                budget=settings.overhead_budget if settings.places else 0,
                max_journal=settings.max_journal,
                fault=fault,
            )
            self._head = opening_records(
                settings, run_id=run_id, parent_run_id=parent_run_id, started=started
            )
            for record in self._head:
                self.notices.record(record)
            self.probes = (ProcessProbe(), DeviceMemoryProbe())
            undo.callback(self._close_probes)
            undo.callback(self._stop_listening)
            self._listen()
            self._rounds = Rounds(
                maker=self.maker,
                outbox=self.outbox,
                windows=self.windows,
                listeners=self._listeners,
                notices=self.notices,
                start=self._head[0],
                origin=self._origin,
                journal=lambda: writer.path,
                judge=judge,
            )
            if writer.direct:
                self.outbox.drain()
            undo.pop_all()

    def _open(self, path: Path) -> JournalWriter:
        try:
            return within(
                PATIENCE_S,
                lambda: JournalWriter(path, on_trouble=self.report_trouble),
                undo=JournalWriter.discard,
            )
        except StillWaitingError:
            message = f"{path}: the file system does not respond; pass journal= with a path elsewhere"
            raise JournalPathError(message) from None

    def _listen(self) -> None:
        for name, begin in LISTENERS.items():
            try:
                self._listeners.append(begin(self.maker))
            except Exception as error:  # noqa: PERF203 - the others may still work
                if is_foreign(error):
                    raise
                self.notices.warn(NOT_MEASURED, f"{name} cannot be measured here: {error}")

    def _append(self, record: Any) -> None:
        self.outbox.rows.append(record)  # not by the maker, which takes nothing more at the end

    @property
    def elapsed_ns(self) -> int:
        """Time from the start of the run to the end of the last call, ns; 0 before that."""
        return max(self.maker.last_end - self._origin, 0)

    def report_trouble(self, text: str) -> None:
        """Report a problem with the journal, which cannot be written there."""
        self.notices.warn("journal-trouble", text, journal=False)

    def time_libraries(self) -> None:
        """Time functions of the libraries that are loaded, such as neighbour lists, until the run ends."""
        self._libraries.look()

    def flush(self, patience_s: float) -> None:
        """Hand all rows so far to the kernel, or as many as it takes in a limited time."""
        if self.writer.direct:
            self.outbox.drain(timeout=patience_s)
            return
        deadline = time.monotonic() + patience_s  # only the journal's thread writes there
        while (self.outbox.rows or self.writer.waiting) and time.monotonic() < deadline:
            time.sleep(0.01)

    # -- in the journal's thread ----------------------------------------------------------------------

    def beat(self, *, late_ns: int = 0) -> None:
        """Do the periodic work and write the rows that wait.

        Args:
            late_ns: How long the thread had to wait for the interpreter's lock.
        """
        writer, now = self.writer, self._clock()
        try:
            # Whatever reads a file lets go of the interpreter's lock, and a program that computes in Python
            # returns it after the switch interval: with the usual one, this takes seconds.
            with prompt_switches():
                self._look_around(now, late_ns)
        finally:  # an error there must not delay rows
            # A write may hang with a network file system, and the program would have our interval meanwhile.
            with prompt_switches() if self.maker.keeping_up.direct else contextlib.nullcontext():
                self.outbox.drain()
        if writer.gone is not None:
            self._continue_elsewhere(writer.gone)
        if writer.lost > self._lost_reported and not writer.refusing:  # else the notice would be lost too
            self._lost_reported = lost = writer.lost
            self.notices.info("rows-lost", f"{lost} rows could not be kept", lost_rows=lost)

    def _look_around(self, now: int, late_ns: int) -> None:
        """Do all periodic work but writing."""
        # First, while the calling thread is where the interval ended.
        guarded("stack samples", lambda: self._sample_stacks(now, late_ns), self._fault)
        guarded("step profiles", lambda: self.step_profiling.beat(now), self._fault)
        if now - self._last_tally >= TALLY_EVERY_NS:
            self._last_tally = now
            self.maker.append(Tally(time_ns=now - self._origin, counters=self._counted()))
            if self.writer.vanished():
                self._continue_elsewhere("moved" if self.writer.is_moved else "removed")
            self.writer.look_inside()
        self._rounds.go(now)

    def _sample_stacks(self, now: int, late_ns: int) -> None:
        self._stack_samples.look(now, late_ns)
        self._append_places(now)

    def _append_places(self, now: int, *, last: bool = False) -> None:
        for source in (self._stack_samples, self.step_profiling, self.observers):
            record = source.record(now, last=last)
            if record is not None:
                self._append(record)

    def _counted(self) -> Counters:
        counters = self._totals()
        counters.self_ns = self.maker.self_ns
        counters.calls = self.outbox.calls
        counters.lost_rows += self.writer.lost
        if self._workers_before is not None:
            counters.workers = (workers_started() or 0) - self._workers_before
        return counters

    def _continue_elsewhere(self, why: str) -> None:
        if self._has_ended:
            return
        writer = self.writer
        old, lost = writer.path, writer.lost
        self._head[0].continues = True
        try:
            self.outbox.restart_in([*self._head, *self.maker.descriptions.written])
        except OSError as error:
            self.report_trouble(f"{old} was {why}, and a new one cannot be created: {error}")
            return
        self._lost_reported = writer.lost
        missing = writer.lost - lost
        self.notices.warn(
            "journal-moved" if why == "moved" else "journal-removed",
            f"{old} was {why} while it was written: {f'{missing} rows are lost, ' if missing else ''}"
            f"continuing in {writer.path}",
            lost_rows=writer.lost,
        )

    # -- the end --------------------------------------------------------------------------------------

    def stop(self, undo: Iterable[Callable[[], object]], lanes: Iterable[LiveLane]) -> None:
        """Undo all replacements and accept no more calls; `write_end` is left to the journal thread.

        Args:
            undo: Undo further replacements.
            lanes: The run's lanes.
        """
        try:
            guarded("step profiles", self.step_profiling.close, self._fault)
            guarded("probes", self._stop_listening, self._fault)
            for put_back in undo:
                guarded("timed parts", put_back, self._fault)
            guarded(
                "contractions", lambda: self._rounds.write_contractions(self._clock(), last=True), self._fault
            )
            guarded("trace windows", self.windows.close, self._fault)
            # After the run's own profilers are closed, and in the program's thread.
            guarded("debugging aids", self._note_debugging_aids, self._fault)
            guarded(
                "last inspection of results",
                lambda: self.maker.closer_look.look_at_last(lanes, self.maker.last_end),
                self._fault,
            )
        finally:  # also after a Ctrl-C
            self._take_no_more()

    def _note_debugging_aids(self) -> None:
        self._debugging_aids = debugging_aids()

    def time_products(self) -> None:
        """Time the run's longest contractions as matrix products, within the overhead budget."""
        now = self._clock()
        wall = now - self._origin
        wanted = self.maker.signatures.longest(WORTH_SHARE * wall)
        if not wanted:
            return
        products = time_products(wanted, self._budget * wall)
        if products:
            ended = self._clock()
            self._append(ProductTimes(ended - self._origin, ended - now, products))

    def can_write_here(self) -> bool:
        """Return whether the calling thread may write the end, because the journal's thread is too slow."""
        return self.writer.direct and self.outbox.drain(timeout=LOCK_PATIENCE_S)

    def _take_no_more(self) -> None:
        self.maker.append = _drop  # calls still open in other threads end too late to be counted

    def write_end(self, reason: str, failure: tuple[str, str] | None) -> None:
        """Write the remaining records and the final one, and close all files.

        Args:
            reason: Why the run ends.
            failure: The exception that ended the program: its class and message.
        """
        writer, outbox = self.writer, self.outbox
        try:
            guarded("trace windows", lambda: self.windows.write_files(outbox.rows.append), self._fault)
            guarded("stack samples", lambda: self._append_places(self._clock(), last=True), self._fault)
            outbox.drain(closing=True)
            if writer.gone is not None:
                self._continue_elsewhere(writer.gone)
                outbox.drain(closing=True)
            outbox.note_omissions()
            self.notices.record(self._last_record(reason, failure))
            outbox.drain()
        finally:
            self._has_ended = True  # the journal's thread may still be busy with its last round
            lost = writer.lost
            writer.close()
            self._black_box.close()
            self._rounds.close()
            self._close_probes()
            if writer.lost > lost:
                text = (
                    f"{writer.path}: it could not grow until the run ended and lacks the last"
                    f" {writer.lost - lost:,} records; make room, or write to another folder"
                )
                self.notices.warn("journal-incomplete", text, journal=False)

    def _last_record(self, reason: str, failure: tuple[str, str] | None) -> RunEnd:
        record = RunEnd(
            reason=reason,
            time_ns=self._clock() - self._origin,
            ended=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            counters=self._counted(),
            run_id=self._run_id,
        )
        if failure is not None:
            record.failure, record.failure_message = failure
        with own_faults_dropped():
            peak = memory_in_use()[1]  # of single calls, too, between two samples
            if peak is not None:
                record.peak_rss_bytes = peak
        if self._debugging_aids is not None:
            record.debugging_aids = self._debugging_aids
        if self.maker.observers_ns:
            record.observers_ns = self.maker.observers_ns
        return record

    def announce_start(self) -> None:
        """Log the start of the run for people."""
        self.notices.announce("recording started", journal=str(self.writer.path), version=__version__)

    def announce_end(self, reason: str) -> None:
        """Log the end of the run for people, when the journal is complete."""
        self.notices.announce(
            "recording ended", journal=str(self.writer.path), reason=reason, calls=self.outbox.calls
        )

    def leave_to_parent(self) -> None:
        """Let go of everything in a forked child, where the recording is the parent's."""
        self.step_profiling.end_open()
        self.writer.abandon()
        if self.writer.direct:  # closing may block on a network file system
            self._black_box.close()
        self._close_probes()
        self._stop_listening()
        self._take_no_more()

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _close_probes(self) -> None:
        for probe in self.probes:
            probe.close()


def guarded(where: str, action: Callable[[], object], fault: Callable[[str, BaseException], None]) -> None:
    """Run an action; report its internal errors and let a user's exceptions pass.

    Args:
        where: Named in the report of an error.
        action: The action.
        fault: Counts and reports an error.
    """
    try:
        action()
    except Exception as error:
        if is_foreign(error):
            raise
        fault(where, error)


def _drop(_: Any) -> None:
    pass
