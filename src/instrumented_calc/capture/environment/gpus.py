"""The machine's NVIDIA GPUs, without starting CUDA on them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from instrumented_calc.foreign import is_foreign


def gpus() -> list[dict[str, Any]]:
    """Return the GPUs: from nvidia-ml-py if it is installed, else from the driver's files."""
    try:
        return _from_nvml()
    except Exception as error:  # no library, no driver, or an error class of NVML
        if is_foreign(error):
            raise
        return [_from_file(path) for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]


def _from_nvml() -> list[dict[str, Any]]:
    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    try:
        driver = nvml.nvmlSystemGetDriverVersion()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return [
            {
                "name": nvml.nvmlDeviceGetName(each),
                "memory_bytes": int(nvml.nvmlDeviceGetMemoryInfo(each).total),
                "driver": driver,
            }
            for each in handles
        ]
    finally:
        nvml.nvmlShutdown()


def _from_file(path: Path) -> dict[str, Any]:
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    stated = {key.strip(): value.strip() for key, _, value in pairs}
    kept = {
        "name": stated.get("Model"),
        "bus": stated.get("Bus Location"),
        "firmware": stated.get("GPU Firmware"),
    }
    return {key: value for key, value in kept.items() if value}
