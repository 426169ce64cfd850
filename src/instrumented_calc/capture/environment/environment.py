"""The environment of a run: the machine, its limits, its threads and its software.

One function per source. A source that fails or has no data leaves its key absent: an unknown is never a
zero. Nothing here is the first to import torch, and nothing wakes a GPU.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.environment.batch_system import job_ends, mpi_rank, scheduler, series
from instrumented_calc.capture.environment.cgroups import cpu_quota, memory_limit
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.journal.records import Environment, Library, ThreadPool
from instrumented_calc.journal.vocabulary import THREAD_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["environment", "mpi_rank", "series"]

THREAD_VARIABLES = (*THREAD_COUNTS, "OMP_PROC_BIND", "OMP_PLACES", "VECLIB_MAXIMUM_THREADS", "XLA_FLAGS")
# Distributions whose version may affect a run's figures.
LIBRARIES = (
    "anisoap",
    "ase",
    "cuequivariance",
    "e3nn",
    "featomic",
    "fennol",
    "flax",
    "jax",
    "jaxlib",
    "mace-torch",
    "matscipy",
    "metatensor",
    "metatomic-torch",
    "numpy",
    "nvalchemi-toolkit-ops",
    "opt-einsum",
    "orb-models",
    "scipy",
    "torch",
    "torch-scatter",
    "triton",
    "vesin",
)


def environment() -> Environment:
    """Return the machine and the software, as far as they can be determined.

    Returns:
        The environment; unknown values are absent.
    """
    return Environment(
        **_found(
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
                "threads_wanted": _threads_wanted,
                "threads_effective": _threads_effective,
                "torch_threads": _torch_threads,
                "torch": _torch_state,
                "libraries": _libraries,
                "scheduler": scheduler,
                "job_ends": job_ends,
            }
        )
    )


def _found(sources: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Query each source, and skip those that fail or have no data."""
    found = {}
    for name, source in sources.items():
        # A run must start even on a machine with unusual files or libraries.
        with own_faults_dropped():
            value = source()
            if value is not None and value not in ("", [], {}):
                found[name] = value
    return found


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


def _threads_wanted() -> dict[str, str]:
    return {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}


def _threads_effective() -> list[ThreadPool]:
    import threadpoolctl  # noqa: PLC0415 - only a run that starts needs it

    return [
        ThreadPool(
            library=pool["user_api"],
            implementation=pool["internal_api"],
            threads=pool["num_threads"],
            version=pool["version"],
        )
        for pool in threadpoolctl.threadpool_info()
    ]


def _torch_threads() -> list[int] | None:
    torch: Any = sys.modules.get("torch")
    return torch and [torch.get_num_threads(), torch.get_num_interop_threads()]


def _torch_state() -> dict[str, Any]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    return _found(
        {
            "default_dtype": lambda: str(torch.get_default_dtype()).removeprefix("torch."),
            "float32_matmul_precision": torch.get_float32_matmul_precision,
            "tf32_matmul": lambda: _tf32(torch.backends.cuda.matmul),
            "tf32_cudnn": lambda: torch.backends.cudnn.allow_tf32,
            "deterministic": torch.are_deterministic_algorithms_enabled,
            "cuda_version": lambda: torch.version.cuda,
            "driver_version": _driver_version,
            "devices": lambda: _cuda_devices(torch),
        }
    )


def _tf32(backend: Any) -> bool:
    # The old name raises once a program has used the new one (torch 2.9), the new one never does.
    precision = getattr(backend, "fp32_precision", None)
    return bool(backend.allow_tf32) if precision is None else bool(precision == "tf32")


def _driver_version() -> str | None:
    version = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    found = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", version)
    return found and found[1]


def _cuda_devices(torch: Any) -> list[str]:
    # Querying a CUDA that is not in use would start it, and break a later fork.
    if not torch.cuda.is_initialized():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


@cache  # a process keeps the loaded version, whatever is installed later
def _libraries() -> list[Library]:
    versions = _found({name: partial(metadata.version, name) for name in LIBRARIES})
    return [Library(name, version) for name, version in versions.items()]
