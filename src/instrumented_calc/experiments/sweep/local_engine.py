"""This machine as the engine of a sweep: threads, each of which waits for the process of one cell."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor


def places_for(threads: int) -> int:
    """Return how many cells fit on this machine without sharing a processor core.

    Args:
        threads: Threads of a cell.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = psutil.cpu_count(logical=False) or allowed
    return max(min(allowed, cores) // threads, 1)


@contextmanager
def local_engine(workers: int) -> Iterator[Executor]:
    """Yield an executor that runs cells on this machine.

    Args:
        workers: Number of cells at the same time.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="cell") as executor:
        yield executor
