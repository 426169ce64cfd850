"""Runs in a notebook or at IPython's prompt: which cell made a run, and what is shown under it.

IPython is never imported here: without a running shell nothing is registered.
"""

from __future__ import annotations

import contextvars
import html
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from instrumented_calc.capture.calls.driver import NEVER
from instrumented_calc.capture.notices import warn
from instrumented_calc.capture.run.recorder import ENDED, RECORDING
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.quantities import count, elapsed, figures, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.capture.run.recorder import Recorder


LONG_CELL_S = 5.0  # before a cell counts as long
PROGRESS_EVERY_S = 1.0


class NotebookCell(NamedTuple):
    """One execution of a cell.

    Attributes:
        name: The cell's id, where the front end sends one, or its source.
        execution: Its number.
    """

    name: str
    execution: int


class CellRuns:
    """The runs that were made in cells.

    Args:
        show: Prints the summary of a run.
    """

    def __init__(self, show: Callable[[Recorder], None]) -> None:
        self._show = show
        self._cells: WeakKeyDictionary[Recorder, set[NotebookCell]] = WeakKeyDictionary()
        self._unseen: WeakSet[Recorder] = WeakSet()
        self._line: ProgressLine | None = None

    def end_earlier(self, path: str) -> None:
        """End the run that an earlier execution of the running cell has made for a journal.

        A run in which other cells have wrapped calculators continues: those may still be in use.

        Args:
            path: The requested journal.
        """
        cell = running_cell()
        if cell is None:
            return
        for run, cells in tuple(self._cells.items()):
            again = all(each.name == cell.name and each.execution != cell.execution for each in cells)
            if again and run.settings.path == path and run.state is RECORDING and run.path is not None:
                run.on_end = None  # one line instead of a summary
                run.end("closed")
                calls = plural(run.progress()[0], "call")
                warn(
                    f"the cell was run again: {run.path.name} is ended after {calls}; "
                    "the next call starts a new journal"
                )

    def add(self, run: Recorder) -> None:
        """Note that the running cell, if any, wraps a calculator in a run."""
        shell, cell = running_shell(), running_cell()
        if shell is None or cell is None:
            return
        if run not in self._cells:
            self._unseen.add(run)
        self._cells.setdefault(run, set()).add(cell)
        shell.events.register("pre_run_cell", self._before_cell)  # once: IPython ignores repetitions
        shell.events.register("post_run_cell", self._after_cell)
        if self._line is None:
            self._before_cell(None)

    def seen(self, run: Recorder) -> None:
        """Note that the summary of a run has been printed."""
        self._unseen.discard(run)

    def _before_cell(self, _: Any) -> None:
        """Show the progress of the runs in this cell, if it takes long."""
        with own_faults_dropped():
            if hasattr(running_shell(), "kernel") and any(run.state is not ENDED for run in self._cells):
                self._line = ProgressLine(lambda: tuple(self._cells))
                self._line.start()

    def _after_cell(self, _: Any) -> None:
        """Show the runs whose first call was in the cell that has just ended."""
        with own_faults_dropped():
            if self._line is not None:
                self._line.stop()
                self._line = None
            for run in tuple(self._unseen):
                if run.path is not None:
                    self._unseen.discard(run)
                    if run.state is RECORDING:
                        run.flush()
                        self._show(run)


class ProgressLine:
    """One line under a cell that runs for long, renewed every second by a thread of its own.

    Args:
        runs: Returns the runs whose progress is shown: the one with the newest call.
    """

    def __init__(self, runs: Callable[[], Sequence[Recorder]]) -> None:
        self._runs = runs
        self._ended = threading.Event()
        self._handle: Any = None
        self._shown: Recorder | None = None
        self._before: dict[int, int] = {id(run): run.progress()[0] for run in runs()}
        # The output belongs to the cell of the thread that starts this one.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._renew,), name="instrumented-calc progress", daemon=True
        )

    def start(self) -> None:
        """Begin to wait for the cell to take long."""
        self._thread.start()

    def stop(self) -> None:
        """Let the line, if there is one, state what was done."""
        self._ended.set()
        self._thread.join(PROGRESS_EVERY_S)
        if self._shown is not None and not self._thread.is_alive():
            calls, elapsed_ns = self._shown.progress()
            self._show(f"{plural(calls, 'call')} in {elapsed(elapsed_ns)}")

    def _renew(self) -> None:
        wait, last = LONG_CELL_S, time.monotonic()
        while not self._ended.wait(wait):
            now = time.monotonic()
            with own_faults_dropped():
                for run in self._runs():
                    calls = run.progress()[0]
                    made = calls - self._before.get(id(run), 0)
                    self._before[id(run)] = calls
                    if made and not self._ended.is_set():
                        self._shown = run
                        self._show(progress_words(run, made / (now - last)))
            wait, last = PROGRESS_EVERY_S, now

    def _show(self, text: str) -> None:
        display = sys.modules["IPython"].display
        shown = {"text/plain": text, "text/html": f"<code>{html.escape(text)}</code>"}
        if self._handle is None:
            self._handle = display.display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def progress_words(run: Recorder, calls_per_s: float) -> str:
    """Return the progress of a run on one line.

    Args:
        run: The run.
        calls_per_s: Its speed.
    """
    calls, _ = run.progress()
    words = [plural(calls, "call"), f"{figures(calls_per_s)} calls/s"]
    watches = [lane.watch for lane in tuple(run.lanes.values()) if lane.watch.last_step >= 0]
    if watches:
        watch = max(watches, key=lambda each: each.last_step)
        left = watch.until - watch.last_step
        if watch.until == NEVER:
            words.insert(0, f"step {count(watch.last_step)}")
        else:
            words.insert(0, f"step {count(watch.last_step)} of {count(watch.until)}")
            words.append(f"ends in about {elapsed(1e9 * left / calls_per_s)}")
    return ", ".join(words)


def running_shell() -> Any | None:
    """Return IPython's shell, or None if this program does not run in one."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ask() if callable(ask) else None


def running_cell() -> NotebookCell | None:
    """Return the cell that is running, or None outside of IPython."""
    shell = running_shell()
    if shell is None:
        return None
    try:
        request = shell.get_parent() if hasattr(shell, "get_parent") else {}
        source = shell.history_manager.input_hist_raw[-1]
        return NotebookCell(str(request.get("metadata", {}).get("cellId", source)), shell.execution_count)
    except (AttributeError, LookupError, TypeError):  # another kind of shell
        return None
