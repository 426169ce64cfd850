"""Trace windows: from time to time a few consecutive calls run under the profiler of their library.

Each call of a window is traced separately, from just before it begins until just after it has ended: time
between calls is never traced, and is free for a profiler of the user. The hot path compares one number; the
next due window is determined by the journal's thread, or known beforehand.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from time import thread_time_ns
from typing import TYPE_CHECKING

from instrumented_calc.capture.open_calls import call_of, extras_of
from instrumented_calc.capture.rows.row_maker import NEVER
from instrumented_calc.capture.touch_files import Touched
from instrumented_calc.capture.trace_settings import AUTO, Trace
from instrumented_calc.capture.tracing.chrome_file import chrome_trace
from instrumented_calc.capture.tracing.jax_tracer import JaxTracer
from instrumented_calc.capture.tracing.ranges import Ranges
from instrumented_calc.capture.tracing.slices import RANGE, Slice
from instrumented_calc.capture.tracing.sums import sum_slices
from instrumented_calc.capture.tracing.torch_tracer import TorchTracer
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal import records
from instrumented_calc.journal.new_file import write_numbered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.rows.row_maker import RowMaker
    from instrumented_calc.capture.tracing.slices import Tracer

# Tracers, by the module that must be loaded; after an empty window the next one is tried.
TRACERS: dict[str, Callable[[], Tracer]] = {"torch": TorchTracer, "jax": JaxTracer}

FIRST_USE_NS = 2_000_000_000  # start-up of a profiler on a slow disk
SAFETY = 1.5  # windows vary
WARM_CALLS = 10  # no automatic window before this
LOOK_EVERY_NS = 500_000_000  # interval of checks for the request file
FILES_KEPT = 10

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
        self.slices: list[Slice] = []


class Windows:
    """The trace windows of one run.

    Args:
        setting: The user's setting.
        maker: Makes the run's rows; it is notified when a window is due.
        origin: The clock at the start of the run.
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
        self._setting = setting
        self._maker = maker
        self._clock = maker.clock
        self._origin = origin
        self._budget = budget
        self._journal = journal
        self._notices = notices
        self._tracers: dict[str, Tracer] = {}
        self._idle: set[str] = set()  # libraries that the calls did not use
        self._window: _Window | None = None
        self._tracing: _Window | None = None  # while one of its calls runs
        self._opened = self._regular = self._files = 0
        self._spent = self._last_cost = 0
        self._last_at = 0
        self._next_look = 0
        self._request = Touched(".trace", journal, notices)
        self._asked = False
        self._broken = self._skipped = False
        self._unwritten: deque[tuple[Path, list[Slice], str, records.Trace]] = deque()
        self._schedule(0)

    # -- when -----------------------------------------------------------------------------------------

    def _schedule(self, index: int) -> None:
        """Let the next window open when it is due by the number of calls."""
        self._asked = False
        maker = self._maker
        maker.trace_at = NEVER
        setting = self._setting
        if isinstance(setting, Trace) and self._regular < setting.max_windows and not self._broken:
            maker.trace_at = (index // setting.every_calls + 1) * setting.every_calls

    def beat(self, now: int) -> None:
        """Write waiting records, and check whether a window is due; called by the journal's thread.

        Args:
            now: The clock.
        """
        self.write_files(self._maker.append)
        if self._broken or self._window is not None:
            return
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_NS
            if self._request.take():
                self._asked = True
                self._idle.clear()
                self._maker.trace_at = 0
                return
        if self._setting == AUTO and self._maker.trace_at == NEVER and self._is_affordable(now):
            self._maker.trace_at = WARM_CALLS

    def _is_affordable(self, now: int) -> bool:
        if self._library() is None:
            return False
        elapsed = now - self._origin
        expected = int(SAFETY * self._last_cost) if self._opened else FIRST_USE_NS
        return elapsed >= 2 * self._last_at and self._spent + expected <= self._budget * elapsed

    def _library(self) -> str | None:
        """Return the library to trace: one that is loaded, and not known to be unused."""
        return next((name for name in TRACERS if name in sys.modules and name not in self._idle), None)

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
        library = self._library()
        if library is None:
            if self._asked:
                self._notices.info("trace-empty", "the calls use neither torch nor JAX: nothing to trace")
            self._schedule(entry.index)
            return None
        if library not in self._tracers:
            self._tracers[library] = TRACERS[library]()
        tracer = self._tracers[library]
        if tracer.is_taken():
            if not self._skipped:
                text = f"a trace window was due, but {tracer.name} is already in use; the window is skipped"
                self._notices.info("trace-skipped", text)
            self._skipped = True
            self._last_at = self._clock() - self._origin
            self._schedule(entry.index)
            return None
        setting = self._setting
        active = setting.active if isinstance(setting, Trace) else 1
        self._window = window = _Window(self._opened + 1, library, tracer, active)
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
            self._schedule(0)
            return
        summing = self._clock()
        self._opened += 1
        if not self._asked:
            self._regular += 1
        sums = sum_slices(window.slices)
        record = records.Trace(
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
        self._spent += record.profiler_ns
        self._last_cost = record.profiler_ns
        self._last_at = window.start_ns
        if sums.is_empty or not self._plan_file(window, record):
            self._maker.append(record)
        self._maker.sample_next()
        self._after(window, is_empty=sums.is_empty)

    def _after(self, window: _Window, *, is_empty: bool) -> None:
        asked = self._asked
        self._schedule(window.index)
        if not is_empty:
            return
        self._idle.add(window.library)
        if self._library() is not None:  # the calls may use another library
            self._asked = asked
            self._maker.trace_at = 0
        elif asked or isinstance(self._setting, Trace):
            self._notices.info("trace-empty", f"the calls run nothing that {window.tracer.name} can trace")
            self._maker.trace_at = NEVER

    def _plan_file(self, window: _Window, record: records.Trace) -> bool:
        """Have the journal's thread write the window's file, and then its record, which names the file."""
        wanted = not isinstance(self._setting, Trace) or self._setting.chrome
        journal = self._journal()
        if journal is None or not wanted or (self._files >= FILES_KEPT and not self._asked):
            return False
        self._files += 1
        title = f"{journal.name}, window {window.number}, calls {window.index}+{window.calls}"
        path = journal.with_name(f"{journal.stem}.trace-{window.number}.json")
        self._unwritten.append((path, window.slices, title, record))
        return True

    def write_files(self, append: Callable[[records.Trace], object]) -> None:
        """Write the files of finished windows, in the journal's thread: the file system may hang.

        Args:
            append: Receives a window's record once its file has been written.
        """
        while True:
            try:
                path, slices, title, record = self._unwritten.popleft()
            except IndexError:
                return
            began = thread_time_ns()
            try:
                text, left_out = chrome_trace(slices, title)
                path = write_numbered(path, text)
                record.file = path.name
            except OSError as error:
                self._notices.info("trace-file-lost", f"{path.name} cannot be written: {error}")
                continue
            finally:
                del slices
                append(record)
                self._maker.excuse(thread_time_ns() - began)
            if left_out:
                self._notices.info(
                    "trace-file-cut",
                    f"{path.name} would be too large: its {left_out} shortest operations are omitted",
                    left_out=left_out,
                )

    def _drop(self, window: _Window | None, error: BaseException, *, started: bool = True) -> None:
        """Stop tracing permanently: a profiler that failed once is not reliable."""
        self._window = None
        self._broken = True
        self._maker.trace_at = NEVER
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
        self._maker.trace_at = NEVER


def _on_the_runs_clock(slices: list[Slice], start_ns: int) -> list[Slice]:
    """Return a call's slices such that its own range starts with the call."""
    if not slices:
        return slices
    began = next((each.start_ns for each in slices if each.name == RANGE), None)
    if began is None:
        began = min(each.start_ns for each in slices)
    shift = start_ns - began
    new = tuple.__new__
    return [new(Slice, (each[0] + shift, each[1] + shift, *each[2:])) for each in slices]
