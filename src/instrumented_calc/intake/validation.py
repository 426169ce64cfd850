"""All checks of stored results, in the order in which they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.intake import backends, comparability, distiller, figures_hold

if TYPE_CHECKING:
    from instrumented_calc.intake.ruling import Evidence, Ruling

CHECKS = (
    figures_hold.checksums,
    figures_hold.return_codes,
    figures_hold.finite_values,
    figures_hold.parts_within_wall,
    figures_hold.summary_recomputed,
    figures_hold.tables_agree,
    comparability.values,
    backends.backend_labels,
    backends.resident_memory,
    comparability.single_runs,
    comparability.warmup,
    comparability.cold_caches,
    comparability.unaccounted_time,
    comparability.threads,
    comparability.hardware,
    distiller.component_split,
)


def validate(evidence: Evidence) -> list[Ruling]:
    """Return what every check says."""
    return [check(evidence) for check in CHECKS]
