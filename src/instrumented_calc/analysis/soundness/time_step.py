"""A time step that was given without its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.soundness.check import Check
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence

NAME = "time-step-unit"
ASE_TIME_FS = 10.1805057  # ASE's unit of time, A (u/eV)^0.5
ROUND = 20  # what people type is a multiple of 1/20
NEARLY = 1e-5


def check_time_step(evidence: PhysicsEvidence) -> Check:
    """The time step is a round number in ASE's own unit of time: `units.fs` was probably left out."""
    phases = [each for each in evidence.journal.phases.values() if each.kind == "md"]
    steps = [each.timestep_fs for each in phases if isinstance(each.timestep_fs, (int, float))]
    if not phases:
        return Check(NAME, "clear", "no molecular dynamics", n=evidence.calls)
    if not steps:
        return Check(NAME, "not enough evidence", "the time step is not known")
    for step in steps:
        typed = step / ASE_TIME_FS
        if _is_round(typed) and not _is_round(step):
            text = (
                f"The time step is {step:.4g} fs, which is {figures(typed)} in ASE's unit of time: was"
                " units.fs left out?"
            )
            return Check(NAME, "flagged", text, {"timestep_fs": step, "ase_units": typed}, severity="info")
    words = ", ".join(f"{each:.4g}" for each in dict.fromkeys(steps))
    return Check(NAME, "clear", f"time step {words} fs", n=evidence.calls)


def _is_round(value: float) -> bool:
    return value > NEARLY and abs(ROUND * value - round(ROUND * value)) < NEARLY * max(ROUND * value, 1.0)
