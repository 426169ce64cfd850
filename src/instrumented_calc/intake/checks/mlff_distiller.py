"""Results of the MLFF-Distiller profiler: their figures as a table, and their limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from instrumented_calc.intake.checks.cases import observation
from instrumented_calc.journal.vocabulary import RECORDED_HERE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instrumented_calc.analysis.observation import Observation
    from instrumented_calc.intake.reading.study_data import StudyData

COLUMNS = {
    "name": ("name",),
    "model": ("model_name",),
    "device": ("device",),
    "n_atoms": ("n_atoms",),
    "n_steps": ("n_steps",),
    "mean_ms": ("mean_latency_ms", "mean_step_time_ms"),
    "median_ms": ("median_latency_ms", "median_step_time_ms"),
    "std_ms": ("std_latency_ms", "std_step_time_ms"),
    "min_ms": ("min_latency_ms", "min_step_time_ms"),
    "max_ms": ("max_latency_ms", "max_step_time_ms"),
    "p95_ms": ("p95_latency_ms", "p95_step_time_ms"),
    "p99_ms": ("p99_latency_ms", "p99_step_time_ms"),
    "energy_ms": ("energy_time_ms",),
    "forces_ms": ("forces_time_ms",),
    "stress_ms": ("stress_time_ms",),
    "steps_per_s": ("steps_per_second",),
    "total_s": ("total_time_s",),
}
PARTS = ("energy_time_ms", "forces_time_ms", "stress_time_ms")
# One part with nearly all the time: the first request is calculated, the others are answered from ASE's
# cache.
NEARLY_ALL = 0.9


def profile_row(source: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return one result as a row of our table; missing values are None.

    Args:
        source: Where it was found.
        stored: A profile, or a benchmark of dynamics with its figures in groups.
    """
    flat = dict(stored)
    for group in ("metadata", "performance"):
        inner = stored.get(group)
        flat |= inner if isinstance(inner, dict) else {}
    found = {
        column: next((flat[key] for key in keys if _plain(flat.get(key))), None)
        for column, keys in COLUMNS.items()
    }
    return {"source": source, **found}


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def component_split(evidence: StudyData) -> Observation:
    """Judge whether a split into energy and forces is credible."""
    wrong, split = [], 0
    for name, stored in evidence.profiles.items():
        # Ours times the components themselves; that profiler requested one property after another.
        if stored.get("parts_ms") or RECORDED_HERE in str(stored.get("notes", "")):
            continue
        parts = [stored[key] for key in PARTS if isinstance(stored.get(key), (int, float))]
        mean = stored.get("mean_latency_ms")
        if len(parts) < 2 or not isinstance(mean, (int, float)) or not mean > 0:  # noqa: PLR2004 - a split
            continue
        split += 1
        if max(parts) > NEARLY_ALL * mean and math.isclose(sum(parts), mean, rel_tol=0.05):
            wrong.append(f"{name}: {100 * max(parts) / mean:.0f} % in the property requested first")
    missing = "" if split else "no result is split into energy and forces"
    remedy = "requesting properties one after another times ASE's cache: use the total, not the split"
    return observation("component-split-cached", wrong, f"{split} splits", missing, remedy)
