"""What one recorded run of dynamics cost: time per step, start, memory and processors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.memory.growth import DEVICE, HOST, measure_growth
from instrumented_calc.analysis.timing.latency import steady_calls
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Summary


@dataclass(frozen=True, slots=True)
class RunCost:
    """The cost of one run; None for what was not measured.

    Attributes:
        name: The journal.
        n_atoms: Number of atoms.
        step_ns: Wall time of a step once the run is steady, with all that happens between calls, ns.
        start_ns: Time from the start of the program to the first steady call, ns.
        host_bytes: Peak of the process's resident memory; None also if other programs calculate.
        device_bytes: Peak of the memory allocated on the device.
        processors: Processors that the process kept busy, on average.
        timestep_fs: Time step of the dynamics, fs.
        grows: Kinds of memory that were still growing at the end of the run: `host`, `device`.
    """

    name: str
    n_atoms: int
    step_ns: float
    start_ns: float
    host_bytes: int | None
    device_bytes: int | None
    processors: float | None
    timestep_fs: float | None
    grows: tuple[str, ...] = ()


def run_cost(summary: Summary) -> RunCost | None:
    """Return what a run cost; None without steady steps of dynamics with one number of atoms."""
    journal = summary.journal
    calls = journal.calls
    sizes = np.unique(calls.n_atoms[calls.n_atoms > 0])
    driven = [number for number, phase in journal.phases.items() if phase.kind == "md"]
    rows, _ = steady_calls(calls)
    rows = rows[(calls.phase[rows] == max(driven, default=-2)) & (calls.step[rows] >= 0)]
    if len(sizes) != 1 or len(rows) < 2:  # noqa: PLR2004 - a distance has two ends
        return None
    first, last = int(rows[0]), int(rows[-1])
    steps = int(calls.step[last]) - int(calls.step[first])
    start_ns = int(calls.start_ns[first])
    if steps <= 0 or summary.soundness.ruined:
        return None
    before = journal.start.before_ns if journal.start is not None else None
    timestep = journal.phases[max(driven)].timestep_fs
    device = summary.device_allocated
    return RunCost(
        name=shown_path(journal.path),
        n_atoms=int(sizes[0]),
        step_ns=(int(calls.start_ns[last]) - start_ns) / steps,
        start_ns=start_ns + (before if isinstance(before, int) else 0),
        host_bytes=_host_peak(summary),
        device_bytes=None if device is None else device.peak_bytes,
        processors=summary.cpu_per_wall,
        timestep_fs=float(timestep) if isinstance(timestep, (int, float)) else None,
        grows=tuple(kind for kind, field in (("host", HOST), ("device", DEVICE)) if _grows(summary, field)),
    )


def _host_peak(summary: Summary) -> int | None:
    if summary.programs is not None:
        return None
    peaks = [each.peak_rss_bytes for each in summary.journal.machines if isinstance(each.peak_rss_bytes, int)]
    sampled = [summary.memory.peak_bytes] if summary.memory is not None else []
    return max([*peaks, *sampled], default=None)


def _grows(summary: Summary, field: str) -> bool:
    found = measure_growth(summary.journal, field)
    return found is not None and found.growth.verdict == "flagged"
