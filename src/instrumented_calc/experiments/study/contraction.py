"""The bare contraction `mnpqr,pqr->mn` at several sizes: AniSOAP's contraction for each pair and channel."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.integration import Case, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.integration import Setting

EQUATION = "mnpqr,pqr->mn"
EDGES = (4, 8, 12, 16)  # edge lengths of the cube p, q, r
COMPONENTS, RADIAL = 7, 4  # m of l = 3, n
REPEATS = 64  # contractions per evaluation, all with the same first operand


def einsum_workload() -> Workload:
    """Return the workload."""
    cases = tuple(
        Case(
            file=f"einsum_p{edge:02d}",
            n_atoms=edge,
            build=partial(build, edge),
            pairs=lambda _: REPEATS,
        )
        for edge in EDGES
    )
    return Workload("einsum", cases)


def build(edge: int, setting: Setting) -> Callable[[], Any]:
    """Return the function that runs all contractions of one size in a mode.

    Args:
        edge: Length of p, q and r.
        setting: The mode and its settings.
    """
    rng = np.random.default_rng(edge)
    first = rng.normal(size=(COMPONENTS, RADIAL, edge, edge, edge)).astype(setting.dtype)
    others = list(rng.normal(size=(REPEATS, edge, edge, edge)).astype(setting.dtype))
    makers = {"numpy_only": _numpy_only, "torch_mixed": _torch_mixed, "torch_full": _torch_full}
    return makers[setting.mode](first, others, setting)


def _numpy_only(first: Any, others: list[Any], setting: Setting) -> Callable[[], Any]:
    def evaluate() -> Any:
        start = perf_counter_ns()
        found = [np.einsum(EQUATION, first, each) for each in others]
        setting.compute_ns += perf_counter_ns() - start
        return found

    return evaluate


def _torch_mixed(first: Any, others: list[Any], setting: Setting) -> Callable[[], Any]:
    torch, einsum, wait = _torch(setting)
    form = {"device": torch.device(setting.device), "dtype": getattr(torch, setting.dtype)}

    def evaluate() -> Any:
        found = []
        for each in others:
            start = perf_counter_ns()
            tensors = torch.from_numpy(first).to(**form), torch.from_numpy(each).to(**form)
            ready = perf_counter_ns()
            result = einsum(EQUATION, *tensors)
            wait()
            done = perf_counter_ns()
            found.append(result.cpu().numpy())
            setting.into_ns += ready - start
            setting.compute_ns += done - ready
            setting.out_ns += perf_counter_ns() - done
        return found

    return evaluate


def _torch_full(first: Any, others: list[Any], setting: Setting) -> Callable[[], Any]:
    torch, einsum, wait = _torch(setting)
    device = torch.device(setting.device)
    on_device = torch.from_numpy(first).to(device)
    tensors = [torch.from_numpy(each).to(device) for each in others]
    keep = torch.clone if setting.compiled and setting.device != "cpu" else lambda tensor: tensor

    def evaluate() -> Any:
        start = perf_counter_ns()
        # The output buffers of CUDA graphs are overwritten by the next call.
        found = [keep(einsum(EQUATION, on_device, each)) for each in tensors]
        wait()
        setting.compute_ns += perf_counter_ns() - start
        return found

    return evaluate


def _torch(setting: Setting) -> tuple[Any, Callable[..., Any], Callable[[], None]]:
    """Return torch, its einsum and a function that waits for the device."""
    torch = import_module("torch")
    einsum = torch.einsum
    if setting.compiled:
        einsum = torch.compile(torch.einsum, mode="reduce-overhead")
    wait = getattr(torch, setting.device.partition(":")[0]).synchronize
    return torch, einsum, (lambda: None) if setting.device == "cpu" else wait
