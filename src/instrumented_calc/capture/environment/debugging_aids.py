"""Debugging aids that are on: settings that help to find errors, and multiply the time of a program.

Only what is loaded is queried; nothing here imports a library, starts a device or changes a setting.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from instrumented_calc.capture.environment.sources import answers
from instrumented_calc.journal.masking import mask_secrets

OFF = frozenset({"", "0", "false", "no", "none", "off"})
# Collections after fewer allocations than this serve a search for errors; Python's own number is 700 or 2000.
FEW_ALLOCATIONS = 100
LONGEST_VALUE = 80
MONITORING_TOOLS = range(6)
# Variables by the module that reads them when it is loaded.
VARIABLES = {
    "sys": ("MALLOC_CHECK_", "MALLOC_PERTURB_"),
    "numpy": ("MKL_VERBOSE", "ONEDNN_VERBOSE", "DNNL_VERBOSE"),
    "torch": (
        *("TORCH_LOGS", "TORCH_COMPILE_DEBUG", "TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE"),
        *("TORCH_SHOW_DISPATCH_TRACE", "PYTORCH_NO_CUDA_MEMORY_CACHING"),
    ),
    "numba": ("NUMBA_DISABLE_JIT", "NUMBA_DEBUG", "NUMBA_BOUNDSCHECK"),
}
ON_GPUS = ("CUDA_LAUNCH_BLOCKING", "HIP_LAUNCH_BLOCKING", "AMD_SERIALIZE_KERNEL")
OF_JAX = ("jax_debug_nans", "jax_debug_infs", "jax_disable_jit", "jax_enable_checks", "jax_log_compiles")


def debugging_aids() -> dict[str, str]:
    """Return the aids that are on, each with its setting; trace functions are those of the calling thread."""
    found: dict[str, str] = {}
    sources = _of_python, _trace_functions, _of_libraries, _variables
    for group in answers({each.__name__: each for each in sources}).values():
        found |= group
    return {name: mask_secrets(value)[:LONGEST_VALUE] for name, value in found.items()}


def _of_python() -> dict[str, str]:
    found = {}
    if tracemalloc.is_tracing():
        found["tracemalloc"] = f"{tracemalloc.get_traceback_limit()} frames"
    if gc.get_debug():
        found["gc.set_debug"] = str(gc.get_debug())
    if 0 < gc.get_threshold()[0] < FEW_ALLOCATIONS:
        found["gc.set_threshold"] = str(gc.get_threshold()[0])
    if sys.flags.dev_mode:
        found["python -X dev"] = "on"
    if hasattr(sys, "gettotalrefcount"):
        found["debug build of Python"] = "on"
    if not sys.flags.ignore_environment and "debug" in (value := os.environ.get("PYTHONMALLOC", "")):
        found["PYTHONMALLOC"] = value
    if tracer := _tracer():
        found["traced process"] = tracer
    return found


def _trace_functions() -> dict[str, str]:
    found = {}
    for name, function in (("sys.settrace", sys.gettrace()), ("sys.setprofile", sys.getprofile())):
        if function is not None:
            found[name] = _name_of(function)
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is not None:
        tools = [
            str(tool) for number in MONITORING_TOOLS if (tool := monitoring.get_tool(number)) is not None
        ]
        if tools:
            found["sys.monitoring"] = ", ".join(tools)
    return found


def _name_of(function: Any) -> str:
    """Return the name of a trace function; its own attributes are the program's code, and not read."""
    if type(function) is MethodType:
        function = function.__func__
    named: Any = function if type(function) is FunctionType else type(function)
    return f"{named.__module__}.{named.__qualname__.rpartition('<locals>.')[2]}"


def _tracer() -> str | None:
    """Return the name of the process that traces this one, such as strace or gdb; None off Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="utf-8").splitlines()
    number = next((line.split()[1] for line in lines if line.startswith("TracerPid:")), "0")
    return None if number == "0" else Path(f"/proc/{number}/comm").read_text(encoding="utf-8").strip()


def _of_libraries() -> dict[str, str]:
    found = {}
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if _asks(torch, "is_anomaly_enabled"):
        found["torch.autograd.set_detect_anomaly"] = "on"
    if _asks(getattr(torch, "autograd", None), "_profiler_enabled"):
        found["torch.profiler"] = "on"
    settings = getattr(jax, "config", None)
    for name in OF_JAX:
        if getattr(settings, name, False) is True:
            found[name] = "on"
    return found


def _asks(module: Any, name: str) -> bool:
    """Return the answer of a function that a version of a library may lack, or that is loaded in part."""
    function = getattr(module, name, None)
    return function is not None and bool(function())


def _variables() -> dict[str, str]:
    wanted = [name for module, names in VARIABLES.items() if module in sys.modules for name in names]
    if "jax" in sys.modules or _asks(getattr(sys.modules.get("torch"), "cuda", None), "is_initialized"):
        wanted += ON_GPUS
    found = {name: os.environ.get(name, "") for name in wanted}
    found = {name: value for name, value in found.items() if value.lower() not in OFF}
    if "torch" in sys.modules and os.environ.get("PYTORCH_JIT") == "0":
        found["PYTORCH_JIT"] = "0"
    if "torch" in sys.modules and os.environ.get("TORCH_DISTRIBUTED_DEBUG", "").upper() == "DETAIL":
        found["TORCH_DISTRIBUTED_DEBUG"] = "DETAIL"
    if "jax" in sys.modules and "--xla_dump_to" in os.environ.get("XLA_FLAGS", ""):
        found["XLA_FLAGS"] = os.environ["XLA_FLAGS"]
    return found
