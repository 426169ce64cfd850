"""Runs in a notebook or at IPython's prompt: which cell made a run, and what is shown under it.

IPython is never imported here: without a running shell nothing is registered.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from instrumented_calc.capture.notices import warn
from instrumented_calc.capture.run.recorder import RECORDING
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.quantities import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.run.recorder import Recorder


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
        shell.events.register("post_run_cell", self._after_cell)  # once: IPython ignores repetitions

    def seen(self, run: Recorder) -> None:
        """Note that the summary of a run has been printed."""
        self._unseen.discard(run)

    def _after_cell(self, _: Any) -> None:
        """Show the runs whose first call was in the cell that has just ended."""
        with own_faults_dropped():
            for run in tuple(self._unseen):
                if run.path is not None:
                    self._unseen.discard(run)
                    if run.state is RECORDING:
                        run.flush()
                        self._show(run)


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
