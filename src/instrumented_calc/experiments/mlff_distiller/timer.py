"""A stopwatch for code that may run on a CUDA device, with the interface of the MLFF-Distiller profiler."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError

if TYPE_CHECKING:
    from collections.abc import Iterator

NS_PER_MS = 1e6


def cuda_of(device: Any) -> Any | None:
    """Return `torch.cuda` if a device is a CUDA device that can be used here, else None.

    Torch is never imported: nothing runs on the device before the user has done so.

    Args:
        device: A `torch.device`, its name, or None for the current device.
    """
    torch = sys.modules.get("torch")
    if torch is None or (device is not None and device_type(device) != "cuda"):
        return None
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_available() else None


def device_type(device: Any) -> str:
    """Return `cuda` for `cuda:1`, be it a string or a `torch.device`."""
    return str(device).partition(":")[0]


class CUDATimer:
    """Measures one stretch after another, on a CUDA device by its events, else by the host's clock.

    On a CUDA device `stop` waits until the device has finished.

    Args:
        device: A `torch.device` or its name; by default the current CUDA device if there is one.
    """

    def __init__(self, device: Any = None) -> None:
        self.device = device
        self._cuda = cuda_of(device)
        self.use_cuda = self._cuda is not None
        self._started: Any = None

    def start(self) -> None:
        """Start, or start again."""
        self._started = time.perf_counter_ns() if self._cuda is None else self._event(self._cuda)

    def stop(self) -> float:
        """Return the time since `start`, ms.

        Raises:
            ExperimentError: The timer was not started.
        """
        ended: Any = time.perf_counter_ns() if self._cuda is None else self._event(self._cuda)
        if self._started is None:
            message = "CUDATimer.stop() without start(): call start() first"
            raise ExperimentError(message)
        if self._cuda is None:
            return float((ended - self._started) / NS_PER_MS)
        ended.synchronize()
        return float(self._started.elapsed_time(ended))

    def _event(self, cuda: Any) -> Any:
        with cuda.device(self.device):
            event = cuda.Event(enable_timing=True)
            event.record()
        return event


@contextmanager
def timer_context(name: str = "", verbose: bool = True) -> Iterator[CUDATimer]:
    """Time a block.

    Args:
        name: Label printed before the time.
        verbose: Whether to print the time, in ms, at the end.

    Yields:
        The running timer.
    """
    timer = CUDATimer()
    timer.start()
    try:
        yield timer
    finally:
        elapsed = timer.stop()
        if verbose:
            print(f"{name}: {elapsed:.4f} ms" if name else f"{elapsed:.4f} ms")  # noqa: T201 - its purpose
