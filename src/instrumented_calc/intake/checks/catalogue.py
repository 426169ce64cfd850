"""All checks of stored results, in the order in which they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.intake.checks import backend_labels, comparability, consistency, mlff_distiller

if TYPE_CHECKING:
    from instrumented_calc.analysis.observation import Observation
    from instrumented_calc.intake.reading.study_data import StudyData

CHECKS = (
    consistency.checksums,
    consistency.return_codes,
    consistency.finite_values,
    consistency.parts_within_wall,
    consistency.summary_recomputed,
    consistency.tables_agree,
    comparability.values,
    backend_labels.backend_labels,
    backend_labels.resident_memory,
    comparability.single_runs,
    comparability.warmup,
    comparability.cold_caches,
    comparability.unaccounted_time,
    comparability.threads,
    comparability.hardware,
    mlff_distiller.component_split,
)


def validate(evidence: StudyData) -> list[Observation]:
    """Return the results of all checks."""
    return [check(evidence) for check in CHECKS]
