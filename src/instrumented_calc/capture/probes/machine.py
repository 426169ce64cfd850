"""Effects of the machine on a run: throttling, shared memory, the GPU and its other users.

Read by the journal's thread, so calculations pay nothing. GPUs are read through nvidia-ml-py, if it is
installed and a CUDA device is in use.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.environment.cgroups import cpu_throttling
from instrumented_calc.capture.probes.limits import MemoryWatch, descriptors
from instrumented_calc.capture.probes.run_delay import run_delay_ns
from instrumented_calc.journal.records import Gpu, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK_STEP_NS = 1_000_000_000
# NVML's names of the reasons for a reduced GPU clock: nvmlClocksEventReasons*.
THROTTLES = {
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}


class MachineProbe:
    """Reads the state of the machine; made by the thread whose waiting it reads.

    Args:
        forked: Whether the process shares pages with its parent.
        journal: Returns the journal's path, whose file system is read.
    """

    def __init__(self, *, forked: bool, journal: Callable[[], Path | None] = lambda: None) -> None:
        self._forked = forked
        self._journal = journal
        self._thread = threading.get_native_id()
        self._memory = MemoryWatch()
        self._wall_lead = _wall_lead()
        self._nvml: Any = None
        self._handles: list[tuple[int, Any]] = []
        self._no_gpu = False

    def read(self, now: int) -> Machine:
        """Return the known values; unknown ones are absent.

        Args:
            now: Time on the run's clock, in ns.
        """
        machine = Machine(time_ns=now)
        for source in (
            self._read_throttling,
            self._read_shared_memory,
            self._memory.read,
            self._read_descriptors,
            self._read_disk,
            self._read_clocks,
            self._read_waiting,
            self._read_jax,
            self._read_gpus,
        ):
            # A machine with unusual files or drivers is not measured.
            with suppress(Exception):
                source(machine)
        return machine

    def memory_is_filling(self) -> bool:
        """Return whether memory is near its limit and has grown much since the last reading."""
        with suppress(Exception):
            return self._memory.is_filling()
        return False

    @staticmethod
    def _read_descriptors(machine: Machine) -> None:
        machine.open_files, limit = descriptors()
        if limit is not None:
            machine.open_files_limit = limit

    def _read_disk(self, machine: Machine) -> None:
        journal = self._journal()
        if journal is not None:
            machine.disk_free_bytes = shutil.disk_usage(journal.parent).free

    def _read_clocks(self, machine: Machine) -> None:
        step = _wall_lead() - self._wall_lead
        if abs(step) >= CLOCK_STEP_NS:
            machine.clock_step_ns = step

    def _read_waiting(self, machine: Machine) -> None:
        waited = run_delay_ns(self._thread)
        if waited is not None:
            machine.processor_wait_ns = waited

    def _read_throttling(self, machine: Machine) -> None:
        found = cpu_throttling()
        if found is not None:
            machine.cgroup_periods, machine.cgroup_throttled = found

    def _read_shared_memory(self, machine: Machine) -> None:
        if self._forked:
            for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    machine.pss_bytes = int(line.split()[1]) * 1024

    @staticmethod
    def _read_jax(machine: Machine) -> None:
        stats = [device.memory_stats() for device in _jax_devices()]
        used = [each["bytes_in_use"] for each in stats if each and "bytes_in_use" in each]
        if used:
            machine.jax_bytes = sum(used)

    def _read_gpus(self, machine: Machine) -> None:
        if self._no_gpu or not self._ready():
            return
        machine.gpus = [self._gpu(index, handle) for index, handle in self._handles]

    def _ready(self) -> bool:
        """Open NVML for the devices in use, once torch or JAX uses a GPU."""
        if self._handles:
            return True
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        torch_uses = cuda is not None and cuda.is_initialized()
        if not torch_uses and not _jax_uses_a_gpu():
            return False
        try:
            import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]

            pynvml.nvmlInit()
        except Exception:
            self._no_gpu = True
            raise
        self._nvml = pynvml
        self._handles = _of_torch(pynvml, cuda) if torch_uses else _of_this_process(pynvml)
        self._no_gpu = not self._handles
        return bool(self._handles)

    def _gpu(self, index: int, handle: Any) -> Gpu:
        nvml, gpu = self._nvml, Gpu(index=index)
        with suppress(nvml.NVMLError):
            gpu.utilization_percent = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
        with suppress(nvml.NVMLError):
            gpu.sm_clock_mhz = nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
        with suppress(nvml.NVMLError):
            gpu.used_bytes = int(nvml.nvmlDeviceGetMemoryInfo(handle).used)
        with suppress(nvml.NVMLError):
            reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            gpu.slowed_by = [name for bit, name in THROTTLES.items() if reasons & bit]
        with suppress(nvml.NVMLError):
            others = _processes(nvml, handle)
            # In a container the list lacks our own process and is then useless for other processes too.
            if os.getpid() in others:
                gpu.other_processes = len(others) - 1
        return gpu

    def close(self) -> None:
        """Close NVML, if it was opened."""
        nvml, self._nvml, self._handles = self._nvml, None, []
        if nvml is not None:
            with suppress(Exception):
                nvml.nvmlShutdown()


def _jax_devices() -> list[Any]:
    """Return the devices that JAX uses; to ask it for others would start a backend."""
    jax: Any = sys.modules.get("jax")
    bridge: Any = sys.modules.get("jax._src.xla_bridge")
    if jax is None or bridge is None or not bridge.backends_are_initialized():
        return []
    return [*jax.local_devices()]


def _jax_uses_a_gpu() -> bool:
    return any(each.platform == "gpu" for each in _jax_devices())


def _of_torch(nvml: Any, cuda: Any) -> list[tuple[int, Any]]:
    """Return the handles of the devices that torch sees, by its own numbers."""
    uuids = [f"GPU-{cuda.get_device_properties(index).uuid}" for index in range(cuda.device_count())]
    return [(index, nvml.nvmlDeviceGetHandleByUUID(uuid)) for index, uuid in enumerate(uuids)]


def _of_this_process(nvml: Any) -> list[tuple[int, Any]]:
    """Return the handles of the devices that this process uses: JAX does not tell their identifiers."""
    handles = [(index, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())]
    if len(handles) == 1:
        return handles
    return [(index, handle) for index, handle in handles if os.getpid() in _processes(nvml, handle)]


def _processes(nvml: Any, handle: Any) -> set[int]:
    return {process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}


def _wall_lead() -> int:
    """Return how far the wall clock is ahead of a clock that stops while the machine is suspended."""
    return time.time_ns() - time.monotonic_ns()
