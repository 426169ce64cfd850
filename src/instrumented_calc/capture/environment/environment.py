"""The environment that a run records: the machine, its limits, its threads and its software.

One function per source. A source that fails or has no data leaves its key absent: an unknown is never a
zero. Nothing here is the first to import torch, and nothing wakes a GPU.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import sys
from pathlib import Path

import psutil

from instrumented_calc.capture.environment.batch_system import job_ends, mpi_rank, scheduler, series
from instrumented_calc.capture.environment.cgroups import cpu_quota, memory_limit
from instrumented_calc.capture.environment.debugging_aids import debugging_aids
from instrumented_calc.capture.environment.libraries import libraries
from instrumented_calc.capture.environment.sources import answers
from instrumented_calc.capture.environment.threads import thread_pools, torch_threads, wanted_threads
from instrumented_calc.capture.environment.torch_state import torch_state
from instrumented_calc.journal.records import Environment
from instrumented_calc.own_process import physical_memory, usable_processors

__all__ = ["environment", "mpi_rank", "series"]

LONGEST_NAME = 256  # bytes of a processor's name


def environment() -> Environment:
    """Return the machine and the software, as far as they can be determined.

    Returns:
        The environment; unknown values are absent.
    """
    found = Environment(
        **answers(
            {
                "host": socket.gethostname,
                "platform": _platform,
                "python": _python,
                "cpu": _cpu,
                "cpu_count": os.cpu_count,
                "physical_cores": lambda: psutil.cpu_count(logical=False),
                "affinity": usable_processors,
                "cgroup_cpus": cpu_quota,
                "memory_bytes": physical_memory,
                "cgroup_memory_bytes": lambda: memory_limit(physical_memory()),
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
    found.debugging_aids = debugging_aids()  # an empty dictionary says that none is on
    return found


def _platform() -> str:
    system = platform.uname()
    return f"{system.system} {system.release} {system.machine}"


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def _cpu() -> str | None:
    if sys.platform == "darwin":
        return _cpu_of_macos()
    # Not the whole file: the kernel generates it while it is read, which takes long on 256 processors.
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return None


def _cpu_of_macos() -> str | None:
    """Return the name from sysctl, by its C function: a run must not start a process to learn it."""
    size = ctypes.c_size_t(LONGEST_NAME)
    name = ctypes.create_string_buffer(LONGEST_NAME)
    failed = ctypes.CDLL(None).sysctlbyname(b"machdep.cpu.brand_string", name, ctypes.byref(size), None, 0)
    return None if failed else name.value.decode()
