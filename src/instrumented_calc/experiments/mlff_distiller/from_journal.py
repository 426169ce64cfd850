"""Reads a profile from a journal: every figure is recorded there or derived by its analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.memory.growth import DEVICE, HOST, measure_growth
from instrumented_calc.analysis.timing.breakdown import component_groups
from instrumented_calc.analysis.timing.latency import in_order
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller.recorded_result import RecordedProfile
from instrumented_calc.experiments.mlff_distiller.statistics import latency_statistics
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.vocabulary import RECORDED_HERE

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from instrumented_calc.journal.reader import Journal

GIB = 2**30
NS_PER_MS = 1e6
# The first of these that is in use.
SOURCES = {DEVICE: "device allocated", HOST: "host resident"}


def result_from_journal(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    ends: Sequence[int] | None = None,
    warmup: int = 0,
    memory: bool = True,
) -> RecordedProfile:
    """Return the profile of a run of one calculator.

    Args:
        path: The journal.
        name: Name of the result; the model's name by default.
        ends: Number of outermost calls after each frame, warm-up included; by default each call is a frame.
        warmup: Number of initial frames excluded from the figures.
        memory: Whether to read the memory as well.

    Raises:
        JournalReadError: The journal cannot be read.
        ExperimentError: No frame was calculated without failing, compiling or being traced.
    """
    journal = read_journal(path)
    calls = journal.calls
    rows = in_order(calls, ~calls.nested)
    frames = _Frames(rows, np.arange(1, len(rows) + 1) if ends is None else np.array(ends), warmup)
    wall = calls.wall_ns.astype(np.float64) / NS_PER_MS
    times = frames.sums(wall)
    compiled = frames.sums(calls.compiling) > 0
    usable = (frames.sums(calls.raised | calls.traced | calls.profiled | calls.compiling) == 0) & (
        frames.counts > 0
    )
    measured = np.arange(len(times)) >= warmup
    kept = np.flatnonzero(usable & measured)
    if not len(kept):
        message = (
            f"{path}: no usable frame: all failed, compiled, were traced or equal the previous frame; give "
            "more frames"
        )
        raise ExperimentError(message)
    lane = journal.lanes[min(journal.lanes)]
    model: dict[str, Any] = lane.model if isinstance(lane.model, dict) else {}
    model_name = str(model.get("name") or lane.calculator.rpartition(".")[2])
    device = str(model.get("device", "cpu"))
    parts = _parts(journal, frames, kept, float(times[kept].mean()))
    after = rows[frames.starts[warmup] :]
    sizes = np.unique(calls.n_atoms[after])
    end_ns = calls.start_ns[after].astype(np.int64) + calls.wall_ns[after]
    total_s = float(end_ns.max() - calls.start_ns[after[0]]) / 1e9
    n_steps = int(measured.sum())
    figures: dict[str, Any] = {
        "latencies_ms": times[kept].tolist(),
        **{f"{each}_latency_ms": value for each, value in latency_statistics(times[kept]).items()},
        **_separable(journal, parts, device),
        **(_memory(journal, after) if memory else {}),
    }
    return RecordedProfile(
        name=name or model_name,
        model_name=model_name,
        n_steps=n_steps,
        device=device,
        **figures,
        n_atoms=int(sizes[0]) if len(sizes) == 1 and sizes[0] > 0 else None,
        system_size=lane.formula if isinstance(lane.formula, str) else None,
        total_time_s=total_s,
        steps_per_second=n_steps / total_s if total_s else 0.0,
        timestamp=journal.start.started if journal.start else "",
        notes=_notes(path, usable, compiled, measured),
        calculations=len(after),
        cache_hits=journal.counters.cache_hits if journal.counters else None,
        first_call_ms=float(wall[rows[0]]),
        warmup_frames=warmup,
        warmup_ms=float(times[~measured].sum()),
        compiled_frames=int((compiled & measured).sum()),
        compiled_ms=float(times[compiled & measured].sum()),
        slowest_frame=int(kept[times[kept].argmax()]) - warmup,
        parts_ms=parts,
        journal=str(path),
    )


class _Frames:
    """Assigns rows to frames."""

    def __init__(self, rows: NDArray[Any], ends: NDArray[Any], warmup: int) -> None:
        self.rows = rows
        self.ends = np.minimum(ends, len(rows))
        self.starts = np.concatenate([[0], self.ends[:-1]]).astype(int)
        self.counts = self.ends - self.starts
        self.warmup = warmup

    def sums(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return a column's sum over the rows of each frame."""
        totals = np.concatenate([[0], np.cumsum(column[self.rows], dtype=np.float64)])
        sums: NDArray[Any] = totals[self.ends] - totals[self.starts]
        return sums


def _parts(journal: Journal, frames: _Frames, kept: NDArray[Any], mean_ms: float) -> dict[str, float]:
    """Return the mean time in each timed part, longest first, and the rest."""
    sums = {name: frames.sums(column)[kept].mean() for name, column in journal.calls.components.items()}
    parts = {
        name: float(time) / NS_PER_MS
        for name, time in sorted(sums.items(), key=lambda item: -item[1])
        if time
    }
    return {**parts, "other": mean_ms - sum(parts.values())} if parts else {}


def _separable(journal: Journal, parts: dict[str, float], device: str) -> dict[str, float]:
    """Return the times of energy, forces and stress, if parts belong only to them.

    On a device the host's time is mostly waiting, and does not describe a part.
    """
    if device.partition(":")[0] != "cpu":
        return {}
    groups = component_groups(journal.lanes.values())
    sums: dict[str, float] = {}
    for name, time in parts.items():
        if groups.get(name) in {"energy", "forces", "stress"}:
            key = f"{groups[name]}_time_ms"
            sums[key] = sums.get(key, 0.0) + time
    return sums


def _memory(journal: Journal, rows: NDArray[Any]) -> dict[str, Any]:
    """Return the samples from the last one before the first frame on: a short run may have no other."""
    calls = journal.calls
    field, sparse = next(
        ((name, calls.sparse[name]) for name in SOURCES if _is_used(calls.sparse.get(name))), (None, None)
    )
    if field is None or sparse is None:
        return {}
    before = int((sparse.rows < rows[0]).sum())
    samples = sparse.values[max(before - 1, 0) :].astype(np.float64) / GIB
    growth = measure_growth(journal, field)
    return {
        "memory_initial_gb": float(samples[0]),
        "memory_final_gb": float(samples[-1]),
        "memory_peak_gb": float(samples.max()),
        "memory_per_step_gb": samples.tolist(),
        "memory_source": SOURCES[field],
        "memory_verdict": f"{growth.growth.verdict} ({growth.growth.reason})" if growth else "",
    }


def _is_used(sparse: Any) -> bool:
    """Return whether a kind of memory was sampled and is in use: on the CPU no device memory is used."""
    return sparse is not None and bool(sparse.values.any())


def _notes(
    path: str | os.PathLike[str], usable: NDArray[Any], compiled: NDArray[Any], measured: NDArray[Any]
) -> str:
    recorded = f"{RECORDED_HERE} in {path}"
    left_out = int((~usable & ~compiled & measured).sum())
    if not left_out:
        return recorded
    return f"{left_out} frames not counted: failed, traced or answered from the cache; {recorded}"
