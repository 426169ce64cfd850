"""The records at the start of a journal: the program, its environment and the meaning of the fields."""

from __future__ import annotations

import itertools
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from instrumented_calc._version import __version__
from instrumented_calc.capture.environment.environment import environment, mpi_rank, series
from instrumented_calc.foreign import is_foreign, own_faults_dropped
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.encoding import shortened
from instrumented_calc.journal.masking import mask_arguments
from instrumented_calc.journal.records import SCHEMA, Fields, RunStart, describe_fields

if TYPE_CHECKING:
    from datetime import datetime

    from instrumented_calc.capture.settings import Settings


LONGEST_START = 50_000  # bytes of the first record

_decode_start = decoder(RunStart).decode
_runs = itertools.count()


def new_run_id() -> str:
    """Return a unique run id."""
    return uuid.uuid4().hex[:16]


def journal_path(settings: Settings, parent_run_id: str | None) -> Path:
    """Return the path of a run's journal: workers and MPI ranks have journals of their own."""
    path = Path(settings.path)
    rank = mpi_rank()
    if parent_run_id is not None:
        return path.with_stem(f"{path.stem}.pid{os.getpid()}")
    return path.with_stem(f"{path.stem}.rank{rank}") if rank else path


def opening_records(
    settings: Settings, *, run_id: str, parent_run_id: str | None, started: datetime
) -> tuple[RunStart, Fields]:
    """Return a run's first two records; secrets in the command line are masked.

    Args:
        settings: The user's settings.
        run_id: The run's id.
        parent_run_id: In a worker: the id of the run of the process that started it.
        started: When the run began, UTC.
    """
    start = RunStart(
        schema=SCHEMA,
        run_id=run_id,
        started=started.isoformat(timespec="milliseconds"),
        pid=os.getpid(),
        version=__version__,
        command=mask_arguments(sys.orig_argv),
        directory=_working_directory(),
        settings=msgspec.to_builtins(settings),
        environment=environment(),
    )
    first = next(_runs) == 0
    if parent_run_id is not None:
        start.parent_run_id = parent_run_id
    elif first and "ipykernel" not in sys.modules and not hasattr(sys, "ps1"):  # nobody was thinking
        with own_faults_dropped():
            age = started.timestamp() - psutil.Process().create_time()
            start.before_ns = max(int(1e9 * age), 0)
    rank, linked = mpi_rank(), series()
    if rank is not None:
        start.rank = rank
    if linked is not None:
        start.series = linked
    # A shell may expand a pattern to a megabyte of arguments.
    line = shortened(start, LONGEST_START)
    return _decode_start(line) if line else start, describe_fields()


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a string is wanted
    except OSError as error:
        if is_foreign(error):
            raise
        return "(removed)"
