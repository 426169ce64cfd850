"""Measurements of a controlled experiment: one cell is one process, of one workload, mode and replicate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NUMPY, MIXED, FULL = MODES = ("numpy_only", "torch_mixed", "torch_full")
DONE, STALLED, FAILED = "done", "stalled", "failed"
DEFAULT_TAG = "float64 cpu eager"
INTER_OP = "torch inter-op"  # name of a separate pool, always of one thread


@dataclass(frozen=True)
class Executed:
    """Evidence of the backend that did the work, whatever the mode's name.

    Counts are of one evaluation, recorded separately from the timed ones.

    Attributes:
        torch_loaded: Whether torch was loaded in the process at the end.
        torch_version: Version of torch; empty if not loaded.
        numpy_contractions: Number of NumPy einsums.
        torch_contractions: Number of torch einsums.
        numpy_flops: Operations of NumPy's einsums; None if unknown for some.
        torch_flops: Operations of torch's einsums; None if unknown for some.
        torch_operations: All torch operations except views; None if not counted.
        torch_contraction_s: Time in torch's einsums, s.
        einsum_share: Share of the evaluation in einsums; None if unknown.
        peak_rss_bytes: Largest resident memory of the process.
        threads: Thread variables at the start of the process.
        effective: Sizes of its thread pools and of torch's own at the end, by name.
        processors: Processors the process may use.
        versions: Versions of libraries.
        blocks_read: Blocks of 512 bytes read from disk during timing.
    """

    torch_loaded: bool
    torch_version: str = ""
    numpy_contractions: int = 0
    torch_contractions: int = 0
    numpy_flops: float | None = None
    torch_flops: float | None = None
    torch_operations: int | None = None
    torch_contraction_s: float | None = None
    einsum_share: float | None = None
    peak_rss_bytes: int | None = None
    threads: dict[str, str] | None = None
    effective: dict[str, int] = field(default_factory=dict)
    processors: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    blocks_read: int | None = None

    @property
    def pools(self) -> dict[str, int]:
        """Sizes of the thread pools that share the work."""
        return {name: size for name, size in self.effective.items() if name != INTER_OP}

    @property
    def operation_s(self) -> float | None:
        """Mean time of one torch einsum, s."""
        if not self.torch_contractions or self.torch_contraction_s is None:
            return None
        return self.torch_contraction_s / self.torch_contractions


@dataclass(frozen=True)
class StudyCell:
    """One process of an experiment, or one row of a table of an earlier one.

    Times are of one evaluation, the one of median duration, in s; values not measured are None.

    Attributes:
        file: Name of the input.
        mode: `numpy_only`, `torch_mixed` or `torch_full`.
        tag: dtype, device and whether it was compiled.
        rep: Number of the replicate, from 1.
        n_atoms: Particles per frame; for a bare contraction, the edge length of its tensors.
        species: Number of species.
        products: Sum of N_a N_b over a <= b in a frame; None without species.
        pairs: Neighbour pairs of all frames, or contractions.
        status: `done`, `stalled` or `failed`.
        why: Reason of a failure.
        wall_s: Time of the whole evaluation.
        compute_s: Time of the computation in it.
        conv_in_s: Time to convert arrays to tensors.
        conv_out_s: Time to convert tensors to arrays.
        stages: Time of each part in the recorded evaluation.
        warmups: Evaluations before the timed ones; None if unknown.
        evaluations: Timed evaluations.
        util: Processor time over wall time and threads while timed.
        executed: Evidence of the backend, or None.
    """

    file: str
    mode: str
    rep: int
    n_atoms: int
    species: int
    tag: str = DEFAULT_TAG
    products: int | None = None
    pairs: int | None = None
    status: str = DONE
    why: str = ""
    wall_s: float | None = None
    compute_s: float | None = None
    conv_in_s: float | None = None
    conv_out_s: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    warmups: int | None = None
    evaluations: int = 1
    util: float | None = None
    executed: Executed | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Key shared by all replicates."""
        return self.file, self.mode, self.tag

    @property
    def conversion_s(self) -> float | None:
        """Time in conversions, both ways, s."""
        if self.conv_in_s is None or self.conv_out_s is None:
            return None
        return self.conv_in_s + self.conv_out_s

    @property
    def warmed_up(self) -> bool:
        """Whether evaluations preceded the timed ones."""
        return bool(self.warmups)

    @property
    def threads_in_effect(self) -> str:
        """Sizes of the thread pools and the processors; empty if not recorded."""
        pools = self.executed.pools if self.executed and self.executed.threads is not None else {}
        if not self.executed or not pools:
            return ""
        sizes = " and ".join(map(str, sorted(set(pools.values()))))
        return f"{sizes} on {self.executed.processors} processors"

    @property
    def unaccounted_s(self) -> float | None:
        """The rest of the evaluation, s."""
        if self.wall_s is None or self.compute_s is None or self.conversion_s is None:
            return None
        return self.wall_s - self.compute_s - self.conversion_s


def usable(cells: Iterable[StudyCell]) -> list[StudyCell]:
    """Return the cells that have a time."""
    return [each for each in cells if each.status == DONE and each.wall_s and math.isfinite(each.wall_s)]


def of_mode(cells: Sequence[StudyCell], mode: str) -> list[StudyCell]:
    """Return the cells of a mode."""
    return [each for each in cells if each.mode == mode]


def products_of(symbols: Sequence[str]) -> int | None:
    """Return the sum of N_a N_b over a <= b; over all a and b it is N^2 and independent of species.

    Args:
        symbols: The species of each particle; empty if there are none.
    """
    numbers = [symbols.count(each) for each in sorted(set(symbols))]
    if not numbers:
        return None
    return sum(a * b for i, a in enumerate(numbers) for b in numbers[i:])
