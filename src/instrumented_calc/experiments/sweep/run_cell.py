"""Runs one cell of a sweep in a new process, unless it is done.

| exit code | meaning | another try |
|-----------|---------|-------------|
| 0 | the cell is done, now or before | does nothing |
| 1 | the calculator failed, or the time limit was reached | fails again |
| 5 | the calculator cannot be built here, or the folder cannot be written | fails again on this machine |
| 75 | the process was ended from outside: out of memory, a node that stops, a signal | may succeed |
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.experiments.ranges import check_time_limit
from instrumented_calc.experiments.sweep.calculator_files import check_files
from instrumented_calc.experiments.sweep.cell_process import run_process
from instrumented_calc.experiments.sweep.figures import read_figures, write_figures

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.experiments.sweep.cell import SweepCell
    from instrumented_calc.experiments.sweep.cell_process import ProcessEnd
    from instrumented_calc.experiments.sweep.results import ResultFolder

CELL_DONE, CELL_FAILED, CELL_UNUSABLE, CELL_KILLED = 0, 1, 5, 75


@dataclass(frozen=True, slots=True)
class CellEnd:
    """How the run of a cell ended.

    Attributes:
        key: The cell's key.
        code: The exit code.
        words: Why the cell is not done, on one line; empty if it is.
        host: The machine that says so.
    """

    key: str
    code: int
    words: str = ""
    host: str = ""


def run_cell(
    cell: SweepCell, results: ResultFolder, time_limit_s: float | None = None, directory: Path | None = None
) -> CellEnd:
    """Run a cell, unless it is done; either way its journal and figures have their names afterwards.

    Args:
        cell: The cell.
        results: The folder of the results; created if needed.
        time_limit_s: Time limit of the process, s.
        directory: Its working directory, in which `calc.py:make` is looked for; None: that of this process.

    Raises:
        ExperimentError: The time limit is out of range, the folder cannot be written, or the calculator's
            file is not the one that was planned with.
        JournalReadError: The cell is done, but its journal cannot be read.
    """
    check_time_limit(time_limit_s)
    check_files(cell.calc, cell.calc_files, directory)
    results.create()
    end = None
    if results.find_done(cell.key) is None:
        end = run_process(cell, results.new_attempt(cell.key), time_limit_s, directory)
    return keep_done(cell, results) or CellEnd(cell.key, *_code_and_words(end), host=socket.gethostname())


def keep_done(cell: SweepCell, results: ResultFolder) -> CellEnd | None:
    """Give the journal and the figures of a cell their names if it is done; None if it is not.

    Raises:
        ExperimentError: The folder cannot be written.
        JournalReadError: The journal cannot be read.
    """
    done = results.find_done(cell.key)
    if done is None:
        return None
    results.keep(done)
    if read_figures(cell, results, done.run_id) is None:
        write_figures(cell, results)
    return CellEnd(cell.key, CELL_DONE, host=done.host)


def _code_and_words(end: ProcessEnd | None) -> tuple[int, str]:
    if end is None or end.code == 0:  # it was done a moment ago, or its journal is not there
        return CELL_FAILED, "its journal has vanished, or has no `run_end`"
    if end.is_killed:
        return CELL_KILLED, end.words
    return CELL_UNUSABLE if end.is_unusable else CELL_FAILED, end.words
