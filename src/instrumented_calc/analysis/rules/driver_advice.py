"""What can be done about time outside the calculator, by driver."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.observers import all_measured
from instrumented_calc.quantities import percentage, plural

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Trial
    from instrumented_calc.journal.columns import Calls

# Optimizers of ASE that diagonalise or invert a matrix of (3 N)^2 elements in each step.
DENSE = ("BFGS", "BFGSLineSearch", "QuasiNewton", "GPMin", "Sella", "BFGSClimbFixInternals")
# Atoms from which that takes long: 5 ms with 50 atoms, 40 ms with 100 (one slow processor). Uncalibrated.
MANY_ATOMS = 64
ATTACH = "recording(calc).run.attach(dyn) then measures observers apart from the integrator"


def drivers_of(evidence: Evidence) -> list[str]:
    """Return the class names of the run's drivers, without modules."""
    return sorted({each.phase.driver.rpartition(".")[2] for each in evidence.summary.phases})


def dense_optimizer(evidence: Evidence) -> str:
    """Return the optimizer of the run that solves a large dense problem in each step; empty if none does.

    Args:
        evidence: The evidence of the run.
    """
    large = _atoms_moved(evidence) >= MANY_ATOMS
    return next((name for name in drivers_of(evidence) if large and name in DENSE), "")


def _atoms_moved(evidence: Evidence) -> int:
    """Return how many atoms a driver moves at most: of a band, those of all images with calculators."""
    calls = evidence.calls
    at_once = max((_lanes_of(calls, each.phase.phase) for each in evidence.summary.phases), default=0)
    return max(at_once, 1) * int(calls.n_atoms.max(initial=0))


def _lanes_of(calls: Calls, phase: int) -> int:
    return len(np.unique(calls.lane[(calls.phase == phase) & ~calls.nested]))


def outside_advice(evidence: Evidence, *, periodic: bool) -> tuple[str, Trial | None]:
    """Return remedy and trial for time outside the calculator.

    Args:
        evidence: The evidence of the run.
        periodic: Whether much of that time comes at regular intervals.
    """
    breakdown = evidence.summary.breakdown
    kinds = {each.phase.kind for each in evidence.summary.phases}
    dense = dense_optimizer(evidence)
    if breakdown is not None and breakdown.of_kind("observers") > breakdown.of_kind("outside"):
        who = _largest_observer(evidence)
        return f"{who} it: call them less often, or write in a cheaper format.", "without-observers"
    if "md" in kinds and all_measured(evidence.summary.journal):  # and observers take less than the rest
        return "Look at thermostats, constraints and your own code around the steps.", None
    if "md" in kinds:
        what = "Call the observer or writer with this interval less often"
        what = what if periodic else "Look at observers, loggers, thermostats and constraints"
        return f"{what}. {ATTACH}.", "without-observers"
    if periodic:
        return "Find what the program does at this interval, and do it less often or more cheaply.", None
    if dense:
        remedy = f"{dense} solves a dense problem of all coordinates in each step; LBFGS or FIRE do not."
        return remedy, "other-optimizer"
    return "Look at what happens between calls: copies of structures, files, other calculations.", None


def _largest_observer(evidence: Evidence) -> str:
    """Return who takes the observers' time, as the beginning of a sentence."""
    found = evidence.summary.observers
    if not found or found[0].is_sum:
        return "Observers take"
    largest = found[0]
    at = f" ({PurePath(largest.file).name}:{largest.line})" if largest.file else ""
    calls = plural(largest.calls, "call")
    share = percentage(largest.share)
    return f"Observers, above all {largest.name}{at} with {share} of the time in {calls}, take"
