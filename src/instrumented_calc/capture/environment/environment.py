"""The environment that a run records: the machine, its limits, its threads and its software.

One function per source. A source that fails or has no data leaves its key absent: an unknown is never a
zero. Nothing here is the first to import torch, and nothing wakes a GPU.
"""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path

from instrumented_calc.capture.environment.batch_system import job_ends, mpi_rank, scheduler, series
from instrumented_calc.capture.environment.cgroups import cpu_quota, memory_limit
from instrumented_calc.capture.environment.libraries import libraries
from instrumented_calc.capture.environment.sources import answers
from instrumented_calc.capture.environment.threads import thread_pools, torch_threads, wanted_threads
from instrumented_calc.capture.environment.torch_state import torch_state
from instrumented_calc.journal.records import Environment

__all__ = ["environment", "mpi_rank", "series"]


def environment() -> Environment:
    """Return the machine and the software, as far as they can be determined.

    Returns:
        The environment; unknown values are absent.
    """
    return Environment(
        **answers(
            {
                "host": socket.gethostname,
                "platform": _platform,
                "python": _python,
                "cpu": _cpu,
                "cpu_count": os.cpu_count,
                "affinity": lambda: len(os.sched_getaffinity(0)),
                "cgroup_cpus": cpu_quota,
                "memory_bytes": _memory_bytes,
                "cgroup_memory_bytes": lambda: memory_limit(_memory_bytes()),
                "threads_wanted": wanted_threads,
                "threads_effective": thread_pools,
                "torch_threads": torch_threads,
                "torch": torch_state,
                "libraries": libraries,
                "scheduler": scheduler,
                "job_ends": job_ends,
            }
        )
    )


def _platform() -> str:
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}"


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def _cpu() -> str | None:
    # Not the whole file: the kernel generates it while it is read, which takes long on 256 processors.
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return None


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
