"""torch and its devices. torch is never imported here, and CUDA never started for a run's record."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from instrumented_calc.capture.environment.libraries import not_loaded
from instrumented_calc.capture.environment.sources import answers
from instrumented_calc.capture.environment.threads import torch_threads

GPUS = Path("/proc/driver/nvidia/gpus")
MODEL = re.compile(r"^Model:\s*(.+?)\s*$", re.MULTILINE)


def torch_state() -> dict[str, Any]:
    """Return the settings that affect a run: dtype, precision, determinism, driver, devices in use."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    return answers(
        {
            "default_dtype": lambda: str(torch.get_default_dtype()).removeprefix("torch."),
            "float32_matmul_precision": torch.get_float32_matmul_precision,
            "tf32_matmul": lambda: _tf32(torch.backends.cuda.matmul),
            "tf32_cudnn": lambda: torch.backends.cudnn.allow_tf32,
            "deterministic": torch.are_deterministic_algorithms_enabled,
            "cuda_version": lambda: torch.version.cuda,
            "driver_version": _driver_version,
            "devices": lambda: _devices_in_use(torch),
            "unused_devices": lambda: _unused_devices(torch),
        }
    )


def torch_in_full() -> dict[str, Any]:
    """Return `torch_state`, threads and all devices, which starts CUDA; or whether torch is installed."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return not_loaded("torch")
    mps: Any = torch.backends.mps
    return {
        **torch_state(),
        "installed": str(torch.__version__),
        "imported": True,
        **answers(
            {
                "threads": torch_threads,
                "cuda": lambda: _cuda(torch),
                "mps": lambda: {"built": mps.is_built(), "available": mps.is_available()},
            }
        ),
    }


def _tf32(backend: Any) -> bool:
    # The old name raises once a program has used the new one (torch 2.9), the new one never does.
    precision = getattr(backend, "fp32_precision", None)
    return bool(backend.allow_tf32) if precision is None else bool(precision == "tf32")


def _driver_version() -> str | None:
    version = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    found = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", version)
    return found and found[1]


def _devices_in_use(torch: Any) -> list[str]:
    # Querying a CUDA that is not in use would start it, and break a later fork.
    if not torch.cuda.is_initialized():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _unused_devices(torch: Any) -> str | None:
    """Return the driver's names of GPUs that torch could use and does not; read from files alone."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in {"", "-1", "NoDevFiles"}
    if torch.version.cuda is None or torch.cuda.is_initialized() or hidden:
        return None
    found = [MODEL.search(each.read_text(encoding="utf-8")) for each in sorted(GPUS.glob("*/information"))]
    return ", ".join(each[1] for each in found if each)


def _cuda(torch: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"available": bool(torch.cuda.is_available()), "version": torch.version.cuda}
    if found["available"]:
        properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        found["cudnn"] = torch.backends.cudnn.version()
        found["devices"] = [
            {
                "name": each.name,
                "memory_bytes": each.total_memory,
                "compute_capability": f"{each.major}.{each.minor}",
            }
            for each in properties
        ]
    return found
