"""Torch's memory, speed and capabilities on this machine, measured in a separate process."""

from __future__ import annotations

import statistics
from contextlib import suppress
from importlib import import_module
from time import perf_counter_ns
from typing import Any

from instrumented_calc.experiments.study.contraction import EQUATION
from instrumented_calc.experiments.study.evidence import pin_torch
from instrumented_calc.experiments.study.task import Capabilities
from instrumented_calc.own_process import memory_in_use

TRIED = 2000
WARM = 200


def probe() -> Capabilities:
    """Return the machine's capabilities."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return Capabilities()
    _, floor = memory_in_use()
    pin_torch(1)
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        devices.append("mps")
    return Capabilities(
        torch=str(torch.__version__),
        floor_bytes=floor,
        dispatch_s=_dispatch(torch),
        devices=tuple(devices),
        half=tuple(each for each in devices if _has_half(torch, each)),
    )


def _dispatch(torch: Any) -> float:
    """Return the median time of the smallest contraction, s."""
    first, second = torch.ones((1,) * 5, dtype=torch.float64), torch.ones((1,) * 3, dtype=torch.float64)
    times = []
    for _ in range(TRIED):
        start = perf_counter_ns()
        torch.einsum(EQUATION, first, second)
        times.append(perf_counter_ns() - start)
    return statistics.median(times[WARM:]) / 1e9


def _has_half(torch: Any, device: str) -> bool:
    with suppress(RuntimeError, NotImplementedError, TypeError):
        first = torch.ones((2,) * 5, dtype=torch.float16, device=device)
        torch.einsum(EQUATION, first, first[0, 0])
        return True
    return False
