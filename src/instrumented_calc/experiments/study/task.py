"""What a process of a study is asked to do, and what it answers."""

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
        file: Which of its cases.
        mode: `numpy_only`, `torch_mixed` or `torch_full`.
        dtype: What is computed in.
        device: Of torch.
        compiled: Whether torch.compile is to be used.
        rep: Number of the replicate.
        threads: Threads of every library.
        warmups: Evaluations before the timed ones.
        seconds: About how long is timed.
        stem: Path of what it writes, without endings: `.jsonl` journal, `.npz` values, `.json` answer.
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
class Machine:
    """What the machine has, asked of a process of its own.

    Attributes:
        torch: Version of torch; empty: not installed.
        floor_bytes: Largest resident memory of a process that imports numpy and torch and no more.
        dispatch_s: Median time of torch's smallest contraction, s.
        devices: cpu, and what torch has besides.
        half: Devices that contract in half precision.
    """

    torch: str = ""
    floor_bytes: int | None = None
    dispatch_s: float | None = None
    devices: tuple[str, ...] = ("cpu",)
    half: tuple[str, ...] = ()

    @staticmethod
    def command(answer: str) -> list[str]:
        """Return the command that finds out.

        Args:
            answer: File for it.
        """
        return [sys.executable, "-m", MODULE, PROBE, answer]
