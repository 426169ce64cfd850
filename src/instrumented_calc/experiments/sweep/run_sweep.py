"""Runs the cells of a sweep that are not done, by any executor."""

from __future__ import annotations

import random
import socket
import time
from concurrent.futures import CancelledError, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.errors import InstrumentedCalcError, JournalReadError
from instrumented_calc.experiments.ranges import check_time_limit
from instrumented_calc.experiments.sweep.calculator_files import check_files
from instrumented_calc.experiments.sweep.cell_process import end_running_processes
from instrumented_calc.experiments.sweep.results import ResultFolder
from instrumented_calc.experiments.sweep.run_cell import (
    CELL_DONE,
    CELL_FAILED,
    CELL_KILLED,
    CellEnd,
    keep_done,
    run_cell,
)
from instrumented_calc.experiments.sweep.status import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from instrumented_calc.experiments.sweep.cell import SweepCell
    from instrumented_calc.experiments.sweep.manifest import SweepManifest

ORDER_SEED = 0
RETRIES = 2
# NFS remembers for up to a minute that a file was not there (`acdirmax` in nfs(5)).
PATIENCE_S = 70.0


@dataclass
class SweepRun:
    """Result of running a sweep.

    Attributes:
        reused: Number of cells that were done before.
        failures: The cells that are not done, or whose journal cannot be read.
    """

    reused: int = 0
    failures: list[CellEnd] = field(default_factory=list)


def in_random_rounds(cells: Iterable[SweepCell], seed: int = ORDER_SEED) -> list[SweepCell]:
    """Return cells in random order, all first replicates before all second ones, and so on.

    So a slow drift of the machines does not look like an effect of size or calculator, replicates are spread
    over time and machines, and a sweep that is stopped has as many complete sets as possible.

    Args:
        cells: The cells.
        seed: Seed of the order.
    """
    shuffled = list(cells)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret
    return sorted(shuffled, key=lambda cell: cell.replicate)


def run_sweep(
    manifest: SweepManifest,
    folder: Path,
    executor: Executor,
    *,
    time_limit_s: float | None = None,
    on_cell: Callable[[str, int, int], None] = lambda *_: None,
) -> SweepRun:
    """Run all cells that are not done.

    A cell whose process was ended from outside is run again, at most `RETRIES` times.

    Args:
        manifest: The sweep.
        folder: Folder of the results; created if needed.
        executor: Where the cells run: threads, each of which waits for the process of a cell, or Dask.
        time_limit_s: Time limit for a cell, s.
        on_cell: Called with `cells`, the number of cells that have ended, and their total.

    Raises:
        ExperimentError: The time limit is out of range, the folder cannot be written, or a calculator's file
            is not the one that was planned with.
    """
    check_time_limit(time_limit_s)
    for calc, planned in {(cell.calc, cell.calc_files) for cell in manifest.cells.values()}:
        check_files(calc, planned)
    results = ResultFolder(folder.absolute())
    results.create()
    cells = in_random_rounds(manifest.cells.values())
    done = status_of(manifest, results).done
    waiting = [cell for cell in cells if cell.key not in done]
    damaged = [end for key in done if (end := _damage_of(manifest.cells[key], results))]
    run = SweepRun(reused=len(done) - len(damaged), failures=damaged)
    for _ in range(1 + RETRIES):
        before = len(cells) - len(waiting)
        ends = []
        for end in _ends(executor, waiting, results, time_limit_s):
            ends.append(end)
            on_cell("cells", before + len(ends), len(cells))
        run.failures += [end for end in ends if end.code not in (CELL_DONE, CELL_KILLED)]
        killed = {end.key: end for end in ends if end.code == CELL_KILLED}
        waiting = [cell for cell in waiting if cell.key in killed]
        if not waiting:
            break
    run.failures += killed.values()
    return run


def _damage_of(cell: SweepCell, results: ResultFolder) -> CellEnd | None:
    """Give the files of a cell that is done their names, which a killed process may have left undone.

    Returns:
        How the cell ended if its journal cannot be read; otherwise None.
    """
    try:
        keep_done(cell, results)
    except JournalReadError as error:
        return CellEnd(cell.key, CELL_FAILED, str(error), socket.gethostname())
    return None


def run_one(cell: SweepCell, folder: str, time_limit_s: float | None, directory: str) -> CellEnd:
    """Run a cell where an executor has it run.

    Args:
        cell: The cell.
        folder: Folder of the results, absolute.
        time_limit_s: Time limit of its process, s.
        directory: Working directory of its process.
    """
    return run_cell(cell, ResultFolder(Path(folder)), time_limit_s, Path(directory))


def _ends(
    executor: Executor, cells: Sequence[SweepCell], results: ResultFolder, time_limit_s: float | None
) -> Iterator[CellEnd]:
    """Run cells and yield how they ended, in that order."""
    settings = (str(results.folder), time_limit_s, str(Path.cwd()))
    futures: dict[Future[CellEnd], str] = {}
    try:
        for cell in cells:
            futures[executor.submit(run_one, cell, *settings)] = cell.key
        patience_s = PATIENCE_S
        for future in as_completed(futures):
            end = _end_of(future, futures[future])
            if end.code == CELL_DONE and not _arrives(end.key, results, patience_s):
                patience_s = 0.0  # the folder is another one on the workers: the next will not arrive either
                words = (
                    f"done on {end.host}, but its journal is not here: is {results.folder} a shared folder?"
                )
                end = CellEnd(end.key, CELL_FAILED, words, end.host)
            yield end
    except BaseException:  # Ctrl-C: without this, Python waits for all cells before it ends
        for future in futures:
            future.cancel()
        end_running_processes()
        raise


def _end_of(future: Future[CellEnd], key: str) -> CellEnd:
    try:
        return future.result()
    except InstrumentedCalcError as error:
        return CellEnd(key, CELL_FAILED, str(error))
    except (Exception, CancelledError) as error:  # noqa: BLE001 - engines report lost workers by errors of their own
        return CellEnd(key, CELL_KILLED, f"{type(error).__name__}: {error}")


def _arrives(key: str, results: ResultFolder, patience_s: float) -> bool:
    """Wait until the journal of a cell that is done elsewhere can be seen here."""
    deadline = time.monotonic() + patience_s
    while results.find_done(key) is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True
