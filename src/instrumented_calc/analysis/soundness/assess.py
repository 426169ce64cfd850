"""All checks of a simulation's soundness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.check import Check, Soundness
from instrumented_calc.analysis.soundness.drift import check_drift
from instrumented_calc.analysis.soundness.evidence import gather_physics
from instrumented_calc.analysis.soundness.explosion import check_explosion
from instrumented_calc.analysis.soundness.failing import check_failing
from instrumented_calc.analysis.soundness.force_work import check_force_work
from instrumented_calc.analysis.soundness.frozen import check_frozen
from instrumented_calc.analysis.soundness.momentum import check_momentum
from instrumented_calc.analysis.soundness.non_finite import check_finite
from instrumented_calc.analysis.soundness.stale import check_stale
from instrumented_calc.analysis.soundness.temperature import check_temperature
from instrumented_calc.analysis.soundness.time_step import check_time_step
from instrumented_calc.analysis.soundness.training_mode import check_training
from instrumented_calc.analysis.soundness.volume import check_volume

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Integers
    from instrumented_calc.journal.reader import Journal

CHECKS = (
    check_finite,
    check_explosion,
    check_frozen,
    check_stale,
    check_training,
    check_time_step,
    check_force_work,
    check_drift,
    check_temperature,
    check_volume,
    check_momentum,
    check_failing,
)


def assess_soundness(
    journal: Journal, calls: int, returned: int, failures: dict[str, int], steps: Integers
) -> Soundness:
    """Return the results of all checks.

    Args:
        journal: The run.
        calls: Outermost calls.
        returned: Those that returned results.
        failures: Outermost calls that failed, by class of the exception.
        steps: The step that each call belongs to, -1 if unknown.
    """
    with np.errstate(all="ignore"):  # an exploded run has numbers whose squares are infinite
        evidence = gather_physics(journal, calls, returned, failures, steps)
        checks = tuple(check(evidence) for check in CHECKS)
    if not calls:  # nothing is clear that was not looked at
        unseen = [Check(each.name, "not enough evidence", "no calls") for each in checks]
        checks = tuple(
            other if each.verdict == "clear" else each for each, other in zip(checks, unseen, strict=True)
        )
    return Soundness(checks)
