"""Read the journals of a fleet: here, in several processes, or by the workers of a Dask scheduler."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.analysis.fleet.fleet import NotARun
from instrumented_calc.analysis.fleet.fleet_run import run_of_excerpt
from instrumented_calc.errors import ExperimentError, InstrumentedCalcError, JournalReadError
from instrumented_calc.journal.excerpt import read_excerpt
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from instrumented_calc.analysis.fleet.fleet_run import FleetRun

# Fewer are read faster than other processes start.
FEWEST_FOR_POOL = 400
BATCH = 100
MOST_PROCESSES = 16


def read_many(paths: Sequence[Path], scheduler_address: str | None = None) -> Iterator[FleetRun | NotARun]:
    """Read the ends of journals, many of them in several processes.

    Args:
        paths: The files.
        scheduler_address: Scheduler of Dask whose workers read them; None: processes on this machine.

    Yields:
        What each file is, in order.

    Raises:
        ExperimentError: The scheduler cannot be reached, or its workers cannot read the files.
        MissingPackageError: Dask is not installed.
    """
    if scheduler_address is not None:
        yield from _read_on_dask(paths, scheduler_address)
        return
    processes = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        MOST_PROCESSES,
    )
    if len(paths) < FEWEST_FOR_POOL or processes == 1:
        yield from map(read_one, paths)
        return
    # Not forked: this process may have threads, of a progress bar for one.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for _, found in _batches(pool, paths):
            yield from found


def _read_on_dask(paths: Sequence[Path], address: str) -> Iterator[FleetRun | NotARun]:
    from instrumented_calc.experiments.sweep.dask_engine import DaskSettings, dask_engine

    with dask_engine(DaskSettings(workers=1, scheduler_address=address)) as pool:
        try:
            for batch, found in _batches(pool, paths):
                yield from _checked(batch, found, address)
        except InstrumentedCalcError:
            raise
        except Exception as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())
            message = (
                f"the workers of {address} cannot read journals ({words}); they need the same version of"
                " instrumented-calc"
            )
            raise ExperimentError(message) from error


def _batches(
    pool: Executor, paths: Sequence[Path]
) -> Iterator[tuple[Sequence[Path], list[FleetRun | NotARun]]]:
    """Yield batches of files with what they are, in order; each is forgotten here when it was yielded."""
    here = Path.cwd()
    pending = deque(
        (batch, pool.submit(read_batch, batch, here))
        for batch in (paths[begin : begin + BATCH] for begin in range(0, len(paths), BATCH))
    )
    known: dict[str, FleetRun] = {}
    try:
        while pending:
            batch, future = pending.popleft()
            yield batch, [_sharing_identity(each, known) for each in future.result()]
    finally:
        for _, future in pending:
            future.cancel()


def _sharing_identity(found: FleetRun | NotARun, known: dict[str, FleetRun]) -> FleetRun | NotARun:
    """Let equal runs, of which there may be a million, have one copy of what they have in common."""
    if isinstance(found, NotARun) or not found.key:
        return found
    return replace(found, identity=known.setdefault(found.key, found).identity)


def _checked(
    batch: Sequence[Path], found: list[FleetRun | NotARun], address: str
) -> Iterator[FleetRun | NotARun]:
    """Read here what is not a journal on the workers.

    Raises:
        ExperimentError: Nothing of the batch is a journal there, unlike here.
    """
    again = [
        read_one(path) if isinstance(each, NotARun) else each for path, each in zip(batch, found, strict=True)
    ]
    none_there = all(isinstance(each, NotARun) for each in found)
    for path, there, here in zip(batch, found, again, strict=True):
        if none_there and isinstance(there, NotARun) and not isinstance(here, NotARun):
            message = (
                f"the workers of {address} cannot read {shown_path(path)}, which is a journal: {there.why};"
                " they must see this folder"
            )
            raise ExperimentError(message)
    yield from again


def read_batch(paths: Sequence[Path], directory: Path) -> list[FleetRun | NotARun]:
    """Read files where an executor has it done.

    Args:
        paths: The files.
        directory: What relative paths start from.
    """
    return [replace(read_one(directory / path), path=str(path)) for path in paths]


def read_one(path: Path) -> FleetRun | NotARun:
    """Return the run of a journal, or why a file has none.

    Args:
        path: The file.
    """
    try:
        return run_of_excerpt(read_excerpt(path))
    except JournalReadError as error:
        return NotARun(str(path), _without_path(str(error), path))


def _without_path(message: str, path: Path) -> str:
    """Return the reason in an error's message, without the path and the advice for a single journal."""
    reason = message.removeprefix("cannot read ").removeprefix(shown_path(path)).removeprefix(":1")
    return reason.removeprefix(": ").partition("; give ")[0]
