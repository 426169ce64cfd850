"""Rules that report the checks of the simulation's soundness."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING

from instrumented_calc.analysis.observation import Observation
from instrumented_calc.analysis.rules.finding import Rule, unknown
from instrumented_calc.analysis.soundness import (
    drift,
    explosion,
    failing,
    force_work,
    frozen,
    momentum,
    non_finite,
    stale,
    temperature,
    time_step,
    training_mode,
    volume,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.soundness.check import Check
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence


def _coverage(inspected: int | None, evidence: Evidence) -> str:
    made = evidence.summary.evaluations
    if inspected is None or made.returned <= inspected < made.calls:
        return evidence.all_calls
    return f"all {made.calls:,} calls" if inspected >= made.calls else f"{inspected:,} samples"


def _rule(name: str, check: Callable[[PhysicsEvidence], Check], remedy: str, confirm: str) -> Rule:
    def look(evidence: Evidence) -> Observation:
        found = evidence.summary.soundness.of(name)
        if found is None:
            return unknown("not checked")
        coverage = ""
        if found.verdict == "clear":
            coverage = _coverage(found.n, evidence)
        return Observation(
            found.verdict, found.text, found.numbers, found.n, severity=found.severity, coverage=coverage
        )

    update_wrapper(look, check)  # the catalogue in the documentation describes the check
    return Rule(name, "wrong", remedy, confirm, look)


RULES = (
    _rule(
        non_finite.NAME,
        non_finite.check_finite,
        "Stop the run and look at the previous frame, or at the start: overlapping atoms, too long a time "
        "step, a bad model.",
        "Calculate the last good frame alone.",
    ),
    _rule(
        explosion.NAME,
        explosion.check_explosion,
        "Shorten the time step, relax the start, and check that the model knows such geometries.",
        "Run the first steps with half the time step.",
    ),
    _rule(
        frozen.NAME,
        frozen.check_frozen,
        "Check cutoff, units and constraints: something must act on atoms that are free to move.",
        "Print the forces and the positions of two successive steps.",
    ),
    _rule(
        stale.NAME,
        stale.check_stale,
        "Check what the calculator keeps between calls: it answers with a previous geometry's energy.",
        "Calculate two frames with a new calculator each, and compare.",
    ),
    _rule(
        training_mode.NAME,
        training_mode.check_training,
        "Call eval() on the model before the first calculation.",
        "Calculate one geometry twice: the energies must be equal.",
    ),
    _rule(
        time_step.NAME,
        time_step.check_time_step,
        "If femtoseconds were meant, multiply the time step by ase.units.fs.",
        "The report's first lines state the time step in fs.",
    ),
    _rule(
        force_work.NAME,
        force_work.check_force_work,
        "Check units and sign of the forces, and whatever scales or cuts them after the model.",
        "Compare the forces with finite differences of the energy (ase.calculators.fd).",
    ),
    _rule(
        drift.NAME,
        drift.check_drift,
        "Shorten the time step; check that forces are the gradient of the energy, in double precision.",
        "Run with half the time step: the drift of an integrator falls to a quarter.",
    ),
    _rule(
        temperature.NAME,
        temperature.check_temperature,
        "Check time step and units (fs, K) of the thermostat, and whether the forces heat the system.",
        "Run without the thermostat: is the energy conserved?",
    ),
    _rule(
        volume.NAME,
        volume.check_volume,
        "Check sign and units of stress and pressure, and the barostat's time constant.",
        "Compare the stress with the energy's difference between two volumes.",
    ),
    _rule(
        momentum.NAME,
        momentum.check_momentum,
        "Remove the motion of the centre of mass, and check that the forces sum to zero.",
        "Sum the forces over all atoms.",
    ),
    _rule(
        failing.NAME,
        failing.check_failing,
        "Fix what the exceptions report; until then all figures rest on the few calls that succeeded.",
        "Repeat one failed calculation alone.",
    ),
)
