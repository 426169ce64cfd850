"""AniSOAP's own pipeline, with the einsum of its pair expansion done by torch: converted there and back."""

from __future__ import annotations

import threading
import types
from contextlib import contextmanager
from importlib import import_module
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc_anisoap.library import library

if TYPE_CHECKING:
    from collections.abc import Iterator

_one_at_a_time = threading.Lock()


class MixedEinsum:
    """Replaces `numpy.einsum`, and contracts in torch.

    Args:
        dtype: `float64`, `float32` or `float16`: the dtype of torch's computation.
        device: A `torch.device` or its name.
        compiled: Whether torch.compile compiles the contraction (`reduce-overhead`).

    Attributes:
        into_ns: Accumulated time to convert operands to tensors, ns.
        compute_ns: Accumulated time of torch.einsum itself, ns.
        out_ns: Accumulated time to convert results to arrays, ns.
    """

    def __init__(self, dtype: str = "float64", device: Any = "cpu", *, compiled: bool = False) -> None:
        torch = import_module("torch")
        self._from_numpy = torch.from_numpy
        device = torch.device(device)
        self._form = {"dtype": getattr(torch, dtype), "device": device}
        self._einsum = torch.compile(torch.einsum, mode="reduce-overhead") if compiled else torch.einsum
        self.into_ns = self.compute_ns = self.out_ns = 0
        self._wait = None if device.type == "cpu" else getattr(torch, device.type).synchronize

    def __call__(self, equation: str, *operands: Any) -> Any:
        """Return the contraction as an array of doubles."""
        start = perf_counter_ns()
        tensors = [self._from_numpy(each).to(**self._form) for each in operands]
        ready = perf_counter_ns()
        result = self._einsum(equation, *tensors)
        if self._wait is not None:
            self._wait()  # so that device time is not charged to the conversion back
        done = perf_counter_ns()
        array = result.cpu().numpy().astype(np.float64, copy=False)
        end = perf_counter_ns()
        self.into_ns += ready - start
        self.compute_ns += done - ready
        self.out_ns += end - done
        return array


@contextmanager
def in_pair_expansion(einsum: MixedEinsum) -> Iterator[None]:
    """Make AniSOAP's pair expansion contract by another einsum.

    Its module gets a copy of the numpy module with another `einsum`; attribute access is as fast as before.
    NumPy itself is unchanged.
    """
    module = library()
    stand_in: Any = types.ModuleType("numpy")
    vars(stand_in).update(vars(np))
    stand_in.einsum = einsum
    with _one_at_a_time:
        numpy, module.np = module.np, stand_in
        try:
            yield
        finally:
            module.np = numpy
