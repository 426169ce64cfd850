"""What remedies are chosen from and a journal does not hold: noted in the process of the recorded run.

Nothing here imports numpy or ASE before the program does.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from instrumented_calc.experiments.trial.import_hooks import when_imported

TASKS = Path("/proc/self/task")


class ProcessNotes:
    """Notes of one process, from before the program runs until its last calculation."""

    def __init__(self) -> None:
        self._lists, self._collections, self._threads = _CountedLists(), _Collections(), _NativeThreads()
        when_imported("ase.neighborlist", self._lists.install)

    def begin(self) -> None:
        """Note the start of the first calculation."""
        self._collections.begin()
        self._threads.begin()

    def read(self) -> dict[str, Any]:
        """Return the notes, by the names of `RunFacts`; called once, at the end."""
        return {
            "modules": sorted({name.partition(".")[0] for name in sys.modules}),
            "ase_lists": self._lists.number,
            "skin_rebuilt": self._lists.rebuilt,
            "tracked_objects": len(gc.get_objects()),
            "collected_share": self._collections.end(),
            "pool_share": self._threads.end(),
            "debug_logging": bool(logging.root.handlers) and logging.root.isEnabledFor(logging.DEBUG),
            "gpus": _torch_gpus(),
        }


class _CountedLists:
    """Counts the neighbour lists of ASE that remedies could build in another way, or less often."""

    def __init__(self) -> None:
        self.number = 0
        self._updates: list[bool] = []

    @property
    def rebuilt(self) -> float | None:
        """Share of later updates of lists with a skin that built them anew; None without updates."""
        return sum(self._updates) / len(self._updates) if self._updates else None

    def install(self, module: Any) -> None:
        from instrumented_calc.experiments.trial.remedies.neighbours import replace_list

        by_ase, update = module.primitive_neighbor_list, module.NeighborList.update

        def count(*given: Any) -> Any:
            self.number += 1
            return by_ase(*given)

        def counted(neighbours: Any, atoms: Any) -> Any:
            is_first = neighbours.nupdates == 0
            built = update(neighbours, atoms)
            if not is_first:
                self._updates.append(bool(built))
            return built

        replace_list(count, module)
        module.NeighborList.update = counted


class _NativeThreads:
    """The share of the CPU time in threads that libraries started, not Python: those of their pools."""

    def __init__(self) -> None:
        self._whole: float | None = None
        self._native = 0.0

    def begin(self) -> None:
        if TASKS.exists():
            self._whole, self._native = time.process_time(), _native_seconds()

    def end(self) -> float | None:
        if self._whole is None:
            return None
        whole = time.process_time() - self._whole
        return max(_native_seconds() - self._native, 0.0) / whole if whole else None


def _native_seconds() -> float:
    """Return the CPU time so far of the living threads that Python has not started, s."""
    known = {each.native_id for each in threading.enumerate()}
    spent = 0
    for task in TASKS.iterdir():
        if int(task.name) not in known:
            with suppress(OSError):  # it has ended
                spent += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return spent / 1e9


def _torch_gpus() -> int | None:
    """Return the number of GPUs that torch can use; None if it is not loaded."""
    torch: Any = sys.modules.get("torch")
    return None if torch is None else int(torch.cuda.device_count())


class _Collections:
    """The share of the time in garbage collection, from the first calculation on."""

    def __init__(self) -> None:
        self._collected = self._began = self._started = 0.0

    def begin(self) -> None:
        self._began = time.perf_counter()
        gc.callbacks.append(self._listen)

    def end(self) -> float | None:
        if not self._began:
            return None
        gc.callbacks.remove(self._listen)
        return self._collected / (time.perf_counter() - self._began)

    def _listen(self, phase: str, _: Any) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._started
