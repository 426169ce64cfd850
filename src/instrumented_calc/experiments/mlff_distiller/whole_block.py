"""Profiles of a whole block or program by torch and by Nsight Systems, as in the MLFF-Distiller profiler."""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller.timer import cuda_of
from instrumented_calc.journal.new_file import numbered

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import TracebackType

ROWS_PRINTED = 20


class ProfilerContext:
    """Profiles a block with `torch.profiler` and prints its 20 longest operations.

    Every operation of the block is kept in memory; for a run of any length, `Trace` records windows instead.

    Args:
        output_dir: Folder for `<name>_trace.json`, a Chrome trace; without it no file is written.
        profile_memory: Whether allocations are recorded.
        record_shapes: Whether shapes of operands are recorded.
        with_stack: Whether source lines are recorded.
        name: Beginning of the file's name.

    Attributes:
        profiler: The profiler of torch, once the block has begun.
        trace_path: The written trace, or None.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str] | None = None,
        profile_memory: bool = True,
        record_shapes: bool = True,
        with_stack: bool = False,
        name: str = "profile",
    ) -> None:
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.name = name
        self.profiler: Any = None
        self.trace_path: Path | None = None
        self._options = {
            "profile_memory": profile_memory,
            "record_shapes": record_shapes,
            "with_stack": with_stack,
        }

    def __enter__(self) -> ProfilerContext:  # noqa: PYI034 - Self needs Python 3.11
        """Start the profiler.

        Raises:
            ExperimentError: The program has not imported torch.
        """
        if "torch" not in sys.modules:
            message = "ProfilerContext profiles torch, which is not loaded: import torch before the block"
            raise ExperimentError(message)
        profiler = import_module("torch.profiler")
        activities = [profiler.ProfilerActivity.CPU]
        activities += [profiler.ProfilerActivity.CUDA] if cuda_of(None) is not None else []
        self.profiler = profiler.profile(activities=activities, **self._options)
        self.profiler.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the profiler; after an exception nothing is printed or written.

        Raises:
            ExperimentError: The trace cannot be written.
        """
        self.profiler.__exit__(kind, error, trace)
        if kind is not None:
            return
        events = self.profiler.key_averages()
        print(events.table(sort_by=_longest(events), row_limit=ROWS_PRINTED))  # noqa: T201 - its purpose
        if self.output_dir is not None:
            self.trace_path = self._export(self.output_dir)

    def _export(self, folder: Path) -> Path:
        """Write the trace under the first free name."""
        number = 1
        while (path := numbered(folder / f"{self.name}_trace.json", number)).exists():
            number += 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.profiler.export_chrome_trace(str(path))
        except (OSError, RuntimeError) as error:
            message = f"cannot write {path}: {error}; give another output_dir"
            raise ExperimentError(message) from error
        return path


def _longest(events: Any) -> str:
    """Return the column to sort by: the device's time if there is any. torch 2.5 renamed it."""
    for name in ("self_device_time_total", "self_cuda_time_total"):
        if any(getattr(each, name, 0) for each in events):
            return name
    return "self_cpu_time_total"


def profile_with_nsys(
    command: str | Sequence[str], output_file: str = "profile.nsys-rep", cuda_events: bool = True
) -> str:
    """Print the command that profiles a program with Nsight Systems; nothing is run.

    Args:
        command: The program with its arguments.
        output_file: The report that `nsys` writes.
        cuda_events: Whether CUDA is traced, besides NVTX ranges and system calls.

    Returns:
        The command.
    """
    program = command if isinstance(command, str) else shlex.join(command)
    traced = "cuda,nvtx,osrt" if cuda_events else "nvtx,osrt"
    text = f"nsys profile --trace={traced} --output={shlex.quote(output_file)} {program}"
    print(text)  # noqa: T201 - its purpose
    return text
