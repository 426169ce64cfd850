"""Threads: the requested numbers, and those in effect."""

from __future__ import annotations

import os
import sys
from typing import Any

import threadpoolctl

from instrumented_calc.journal.records import ThreadPool
from instrumented_calc.journal.vocabulary import THREAD_COUNTS

THREAD_VARIABLES = (*THREAD_COUNTS, "OMP_PROC_BIND", "OMP_PLACES", "VECLIB_MAXIMUM_THREADS", "XLA_FLAGS")


def wanted_threads() -> dict[str, str]:
    """Return the thread variables of the environment, as they were set."""
    return {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}


def thread_pools() -> list[ThreadPool]:
    """Return the native thread pools of the libraries loaded so far."""
    return [
        ThreadPool(
            library=pool["user_api"],
            implementation=pool["internal_api"],
            threads=pool["num_threads"],
            version=pool["version"],
        )
        for pool in threadpoolctl.threadpool_info()
    ]


def torch_threads() -> list[int] | None:
    """Return torch's numbers of threads, intra-op and inter-op; None if torch is not loaded."""
    torch: Any = sys.modules.get("torch")
    return torch and [torch.get_num_threads(), torch.get_num_interop_threads()]
