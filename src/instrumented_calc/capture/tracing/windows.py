"""Trace windows: a few consecutive calls run under the profiler of the library they use.

Each call of a window is traced by itself, from just before it begins until just after it has ended. The time
between calls is never traced, so a profiler of the user's own can run there. `Schedule` decides when.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from instrumented_calc.capture.open_calls import call_of, extras_of
from instrumented_calc.capture.touch_files import Touched
from instrumented_calc.capture.trace_settings import Trace
from instrumented_calc.capture.tracing.jax_tracer import JaxTracer
from instrumented_calc.capture.tracing.ranges import Ranges
from instrumented_calc.capture.tracing.schedule import Schedule
from instrumented_calc.capture.tracing.slices import RANGE, TracedSlice
from instrumented_calc.capture.tracing.sums import sum_slices
from instrumented_calc.capture.tracing.torch_tracer import TorchTracer
from instrumented_calc.capture.tracing.window_files import WindowFiles
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal import records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.rows.row_maker import RowMaker
    from instrumented_calc.capture.tracing.slices import Tracer

# Tracers, by the module that must be loaded; after an empty window the next one is tried.
TRACERS: dict[str, Callable[[], Tracer]] = {"torch": TorchTracer, "jax": JaxTracer}

# torch and JAX allow one profiler per process.
_one_at_a_time = threading.Lock()


class _Window:
    """An open window: one or more calls of one thread."""

    def __init__(self, number: int, library: str, tracer: Tracer, active: int) -> None:
        self.number = number
        self.library = library
        self.tracer = tracer
        self.thread = threading.get_ident()
        self.left = active
        self.calls = 0
        self.index = self.start_ns = self.wall_ns = self.profiler_ns = 0
        self.slices: list[TracedSlice] = []


class Windows:
    """The trace windows of one run.

    Args:
        setting: The user's setting.
        maker: Makes the run's rows.
        origin: Start of the run, on its clock in ns.
        budget: Share of the wall time that automatic windows may take.
        journal: Returns the journal's path, which may change.
        notices: The run's notices.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, the parts of a run
        self,
        setting: str | Trace,
        *,
        maker: RowMaker,
        origin: int,
        budget: float,
        journal: Callable[[], Path | None],
        notices: Notices,
    ) -> None:
        self._active = setting.active if isinstance(setting, Trace) else 1
        self._writes_files = not isinstance(setting, Trace) or setting.chrome
        self._maker = maker
        self._clock = maker.clock
        self._origin = origin
        self._notices = notices
        self._schedule = Schedule(
            setting,
            maker=maker,
            origin=origin,
            budget=budget,
            request=Touched(".trace", journal, notices),
            libraries=tuple(TRACERS),
        )
        self._files = WindowFiles(journal, notices)
        self._tracers: dict[str, Tracer] = {}
        self._window: _Window | None = None
        self._tracing: _Window | None = None  # while one of its calls runs
        self._broken = self._skipped = False

    def beat(self, now: int) -> None:
        """Write planned files and check whether a window is due; called by the journal's thread.

        Args:
            now: The run's clock, in ns.
        """
        append = self._maker.append  # read before the flag: when the run has ended, it drops records
        if not self._broken:
            self.write_files(append)
        if self._window is None:
            self._schedule.check(now)

    # -- around one call ------------------------------------------------------------------------------

    def enter(self, entry: Entry, stack: list[Entry]) -> bool:
        """Trace a call that is about to begin, if possible; raises nothing but Ctrl-C.

        Args:
            entry: The call's entry, not yet on the stack.
            stack: The thread's stack.

        Returns:
            Whether the call is traced, and `leave` must be called.
        """
        if stack:
            self._tag_inner(entry, call_of(stack[-1]))
            return False
        if self._broken or not _one_at_a_time.acquire(blocking=False):
            return False
        began = self._clock()
        window = None
        try:
            window = self._window_for(entry)
            if window is not None:
                window.tracer.start()
                entry.ranges = Ranges(window.tracer.annotate)
                extras_of(entry)["window"] = window.number
        except BaseException as error:
            self._drop(window, error)
            if is_foreign(error):
                _one_at_a_time.release()
                raise
        spent = self._clock() - began
        self._maker.charge(spent)
        if entry.ranges is None or window is None:
            _one_at_a_time.release()
            return False
        window.profiler_ns += spent
        self._tracing = window
        return True

    @staticmethod
    def _tag_inner(entry: Entry, outer: Entry) -> None:
        window = extras_of(outer).get("window") if outer.ranges is not None else None
        if window is not None and outer.maker is entry.maker:
            entry.ranges = outer.ranges
            extras_of(entry)["window"] = window

    def _window_for(self, entry: Entry) -> _Window | None:
        window = self._window
        if window is not None:
            if window.thread != threading.get_ident():
                if all(thread.ident != window.thread for thread in threading.enumerate()):
                    self._finish(window)  # its thread has ended
                return None
            if window.tracer.is_taken():
                self._finish(window)
                return None
            return window
        library = self._schedule.library()
        if library is None:
            if self._schedule.requested:
                self._notices.info("trace-empty", "the calls use neither torch nor JAX: nothing to trace")
            self._schedule.plan_next(entry.index)
            return None
        if library not in self._tracers:
            self._tracers[library] = TRACERS[library]()
        tracer = self._tracers[library]
        if tracer.is_taken():
            if not self._skipped:
                text = f"a trace window was due, but {tracer.name} is already in use; the window is skipped"
                self._notices.info("trace-skipped", text)
            self._skipped = True
            self._schedule.passed_over(entry.index, self._clock() - self._origin)
            return None
        self._window = window = _Window(self._schedule.opened + 1, library, tracer, self._active)
        return window

    def leave(self, entry: Entry, start: int, end: int) -> None:
        """Stop tracing after a call, successful or not; raises nothing but Ctrl-C.

        Args:
            entry: The call's entry.
            start: Start of the call, in ns of the clock.
            end: End of the call.
        """
        window, self._tracing = self._tracing, None
        began = self._clock()
        try:
            entry.ranges.leave(0)
            if window is not None:
                self._add(window, entry, start, end)
                if window.left <= 0 and window is self._window:  # otherwise the run has ended since
                    self._finish(window)
        except BaseException as error:
            self._drop(window, error, started=False)
            if is_foreign(error):
                raise
        finally:
            _one_at_a_time.release()
            self._maker.charge(self._clock() - began)

    def _add(self, window: _Window, entry: Entry, start: int, end: int) -> None:
        began = self._clock()
        slices = window.tracer.stop()
        if not window.calls:
            window.index, window.start_ns = entry.index, start - self._origin
        window.calls += 1
        window.left -= 1
        window.wall_ns += end - start
        window.slices += _on_the_runs_clock(slices, start - self._origin)
        window.profiler_ns += self._clock() - began

    # -- a window's end -------------------------------------------------------------------------------

    def _finish(self, window: _Window) -> None:
        """Sum a window, write its record, and determine when the next one is due."""
        self._window = None
        if not window.calls:
            self._schedule.plan_next(0)
            return
        summing = self._clock()
        self._schedule.count()
        sums = sum_slices(window.slices)
        record = records.TraceWindow(
            window=window.number,
            tracer=window.tracer.name,
            index=window.index,
            calls=window.calls,
            start_ns=window.start_ns,
            wall_ns=window.wall_ns,
            profiler_ns=0,
            operations=sums.operations,
            left_out=sums.left_out,
        )
        if sums.launches is not None and sums.busy_ns is not None:
            record.launches, record.device_busy_ns = sums.launches, sums.busy_ns
        record.profiler_ns = window.profiler_ns + self._clock() - summing
        self._schedule.charge(record.profiler_ns, window.start_ns)
        requested = self._schedule.requested
        planned = (
            not sums.is_empty
            and self._writes_files
            and self._files.plan(record, window.slices, requested=requested)
        )
        if not planned:
            self._maker.append(record)
        self._maker.sample_next()
        if not sums.is_empty:
            self._schedule.plan_next(window.index)
        elif self._schedule.after_empty(window.library, window.index):
            self._notices.info("trace-empty", f"the calls run nothing that {window.tracer.name} can trace")

    def write_files(self, append: Callable[[records.TraceWindow], object]) -> None:
        """Write the files of finished windows, in the journal's thread: the file system may hang.

        Args:
            append: Receives a window's record once its file has been written.
        """
        self._files.write(append, self._maker.excuse)

    def _drop(self, window: _Window | None, error: BaseException, *, started: bool = True) -> None:
        """Stop tracing permanently: a profiler that failed once is not reliable."""
        self._window = None
        self._broken = True
        self._schedule.stop()
        if window is not None and started:
            with own_faults_dropped():  # it may not have been started
                window.tracer.stop()
        if not is_foreign(error):
            self._notices.warn(
                "trace-failed",
                f"no more trace windows: {type(error).__name__} in the profiler ({error}); the run continues",
            )

    def close(self) -> None:
        """Finish an open window, because the run ends; its file is left to `write_files`."""
        try:
            if self._window is not None:
                self._finish(self._window)
        except Exception as error:
            self._drop(None, error)
            if is_foreign(error):
                raise
        self._broken = True
        self._schedule.stop()


def _on_the_runs_clock(slices: list[TracedSlice], start_ns: int) -> list[TracedSlice]:
    """Return a call's slices such that its own range starts with the call."""
    if not slices:
        return slices
    began = next((each.start_ns for each in slices if each.name == RANGE), None)
    if began is None:
        began = min(each.start_ns for each in slices)
    shift = start_ns - began
    new = tuple.__new__
    return [new(TracedSlice, (each[0] + shift, each[1] + shift, *each[2:])) for each in slices]
