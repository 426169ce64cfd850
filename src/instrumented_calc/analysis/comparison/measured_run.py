"""One run as input of a comparison: a journal, or a result file of the MLFF-Distiller profiler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import UNSET

from instrumented_calc.analysis.comparison.hardware import evidence_of
from instrumented_calc.analysis.statistics.bootstrap import QuantileErrors, histogram_spread, quantile_spread
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.timing.latency import steady_calls
from instrumented_calc.journal.first_energies import read_energies
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import bucket_middle
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from instrumented_calc.analysis.comparison.hardware import Evidence
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.journal.first_energies import Frame
    from instrumented_calc.journal.reader import Journal

    Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.95, 0.99)
NS_PER_MS = 1e6
NOT_SPLIT = "other in the calculator"


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run.

    Attributes:
        name: The file's name.
        calls: Number of steady calls.
        quantiles_ns: Median, p95 and p99 of their durations, ns; empty if there are no steady calls.
        steady_ns: Their durations in order of start, ns; without those kept only as histograms.
        parts_ns: Their times in each component and outside all components, ns, aligned with each other.
        systems: The computed systems: formulas with numbers of atoms.
        drivers: The drivers: class, ensemble, timestep.
        repeatable: Whether no driver has random forces.
        evidence: Machine and software.
        frames: Energies and forces of the first geometries.
        started: UTC time of its start, ISO 8601; empty if unknown.
        is_worker: Whether another recorded process started its process.
        summary: All other figures; None for a result file.
    """

    name: str
    calls: int
    quantiles_ns: tuple[float, ...]
    steady_ns: Floats
    parts_ns: Mapping[str, Floats] = field(default_factory=dict)
    systems: frozenset[str] = frozenset()
    drivers: frozenset[str] = frozenset()
    repeatable: bool = True
    evidence: Evidence = field(default_factory=dict)
    frames: tuple[Frame, ...] = ()
    started: str = ""
    is_worker: bool = False
    summary: Summary | None = None

    def spread(self) -> QuantileErrors | None:
        """Return the uncertainty of the quantiles, estimated from this run alone."""
        if self.summary is not None and self.summary.journal.slices:
            return _thinned_spread(self.summary.journal)
        return quantile_spread(self.steady_ns, QUANTILES) if len(self.steady_ns) > 1 else None


def run_of_summary(summary: Summary, frames: Sequence[Frame] = ()) -> MeasuredRun:
    """Return the run of a journal.

    Args:
        summary: The journal's figures.
        frames: Energies and forces of its first geometries, see `journal.first_energies`.
    """
    journal, latency = summary.journal, summary.latency
    calls = journal.calls
    rows, _ = steady_calls(calls)
    quantiles = (latency.median_ns, latency.p95_ns, latency.p99_ns) if latency else ()
    phases = journal.phases.values()
    return MeasuredRun(
        name=shown_path(journal.path),
        calls=latency.calls if latency else 0,
        quantiles_ns=quantiles,
        steady_ns=np.maximum(calls.wall_ns[rows].astype(np.float64), 1.0),
        parts_ns=_parts(summary, rows[calls.split[rows]]),
        systems=_systems(journal),
        drivers=frozenset(f"{each.driver} {each.ensemble} {each.timestep_fs}" for each in phases),
        repeatable=all(each.kind == "optimizer" or each.ensemble == "NVE" for each in phases),
        evidence=evidence_of(journal),
        frames=tuple(frames),
        started="" if journal.start is None else journal.start.started,
        is_worker=journal.start is not None and journal.start.parent_run_id is not UNSET,
        summary=summary,
    )


def run_of_journal(path: Path) -> MeasuredRun:
    """Read the run of a journal.

    Raises:
        JournalReadError: The file cannot be read as a journal.
    """
    return run_of_summary(summarize(read_journal(path)), read_energies(path))


def run_of_result(name: str, result: Mapping[str, Any]) -> MeasuredRun | None:
    """Return the run of a result file of the MLFF-Distiller profiler.

    Args:
        name: The file's name.
        result: The parsed JSON.

    Returns:
        None if it is not such a file.
    """
    try:
        times = np.array(result["latencies_ms"], np.float64) * NS_PER_MS
        device, n_atoms = result["device"], result["n_atoms"]
    except (KeyError, TypeError, ValueError):
        return None
    if times.ndim != 1 or not np.all((times > 0) & np.isfinite(times)):
        return None
    quantiles = tuple(np.quantile(times, QUANTILES).tolist()) if len(times) else ()
    systems = frozenset() if n_atoms is None else frozenset({f"{n_atoms} atoms"})
    evidence = {"device": {"model's device": str(device)}}
    return MeasuredRun(name, len(times), quantiles, times, systems=systems, evidence=evidence)


def _systems(journal: Journal) -> frozenset[str]:
    lanes = journal.lanes.values()
    named = {f"{each.formula or '?'} ({each.n_atoms or '?'} atoms)" for each in lanes}
    # Calculators that are used with other atoms later.
    sizes = {int(each) for each in np.unique(journal.calls.n_atoms) if each > 0}
    return frozenset(named | {f"{size} atoms" for size in sizes - {each.n_atoms for each in lanes}})


def _parts(summary: Summary, rows: Any) -> dict[str, Floats]:
    calls = summary.journal.calls
    parts = {name: column[rows].astype(np.float64) for name, column in calls.components.items()}
    parts = {name: times for name, times in parts.items() if times.any()}
    if parts:
        rest = calls.wall_ns[rows] - np.sum(list(parts.values()), axis=0)
        parts[NOT_SPLIT] = np.maximum(rest, 0.0)
    return parts


def _thinned_spread(journal: Journal) -> QuantileErrors | None:
    """Return the spread from the histograms of a thinned journal, one per second."""
    names = sorted({bucket for each in journal.slices for bucket, _ in each.histogram})
    place = {bucket: column for column, bucket in enumerate(names)}
    counts = np.zeros((len(journal.slices), len(names)), np.int64)
    for row, each in enumerate(journal.slices):
        for bucket, number in each.histogram:
            counts[row, place[bucket]] += number
    edges = np.array([bucket_middle(bucket) for bucket in names])
    return histogram_spread(counts, edges, QUANTILES) if counts.any() else None
