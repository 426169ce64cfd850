"""The task of a study process, and its result."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

MODULE = "instrumented_calc.experiments.study.child"
PROBE = "probe"


@dataclass(frozen=True)
class Task:
    """One cell.

    Attributes:
        workload: As the user types it.
        file: Name of the case.
        mode: `numpy_only`, `torch_mixed` or `torch_full`.
        dtype: Dtype of the computation.
        device: Device of torch.
        compiled: Whether torch.compile is used.
        rep: Number of the replicate.
        threads: Threads per library.
        warmups: Evaluations before the timed ones.
        seconds: Approximate timed duration.
        stem: Path of its files, without suffixes: `.jsonl` journal, `.npz` values, `.json` result.
        cprofile: Whether it runs under cProfile, for its hotspots only.
    """

    workload: str
    file: str
    mode: str
    dtype: str
    device: str
    compiled: bool
    rep: int
    threads: int
    warmups: int
    seconds: float
    stem: str
    cprofile: bool = False

    @property
    def tag(self) -> str:
        """How torch is used."""
        return f"{self.dtype} {self.device} {'compiled' if self.compiled else 'eager'}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Key shared by all replicates."""
        return self.file, self.mode, self.tag

    def command(self) -> list[str]:
        """Return the command that runs it."""
        return [sys.executable, "-m", MODULE, json.dumps(asdict(self))]


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of the machine, measured in a separate process.

    Attributes:
        torch: Version of torch; empty if not installed.
        floor_bytes: Largest resident memory of a process that only imports numpy and torch.
        dispatch_s: Median time of torch's smallest contraction, s.
        devices: cpu, and torch's other devices.
        half: Devices that contract in half precision.
    """

    torch: str = ""
    floor_bytes: int | None = None
    dispatch_s: float | None = None
    devices: tuple[str, ...] = ("cpu",)
    half: tuple[str, ...] = ()

    @staticmethod
    def command(answer: str) -> list[str]:
        """Return the command that measures them.

        Args:
            answer: File for the result.
        """
        return [sys.executable, "-m", MODULE, PROBE, answer]
