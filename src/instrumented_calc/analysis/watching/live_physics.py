"""Temperature, energy drift and soundness of a run in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.watching.resistant_line import resistant_line
from instrumented_calc.analysis.watching.watch_state import LivePhysics

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.observed_run import ObservedRun
    from instrumented_calc.journal.records import Phase

FLUCTUATIONS = 3.0  # times the scatter of the energy; a smaller change does not count as drift
PS_FS, MEV = 1e3, 1e3


def live_physics(run: ObservedRun, phase: Phase | None, timestep: float | None) -> LivePhysics:
    """Return the state of the simulation in its present phase."""
    state, since = run.state, phase.index if phase is not None else 0
    temperatures = [each for each in run.temperatures.points() if each.at >= since]
    drift, seen = _drift(run, since, timestep)
    target = state.target_k if state is not None else None
    return LivePhysics(
        temperature_k=temperatures[-1].value if temperatures else None,
        target_k=target if isinstance(target, float) else None,
        drift=drift,
        drift_seen=seen,
        broken=tuple(run.broken.non_finite or ()) if run.broken is not None else (),
        broken_step=run.broken.step if run.broken is not None and isinstance(run.broken.step, int) else None,
    )


def _drift(run: ObservedRun, since: int, timestep: float | None) -> tuple[float | None, bool]:
    """Return the drift of the conserved energy, meV per atom per ps, and whether it exceeds its scatter."""
    atoms = next((lane.n_atoms for lane in run.lanes.values() if isinstance(lane.n_atoms, int)), None)
    steps = [each for each in run.state_steps.points() if each.at >= since]
    line = resistant_line([each for each in run.conserved.points() if each.at >= since])
    if line is None or not atoms or not timestep or len(steps) < 2:  # noqa: PLR2004 - a difference
        return None, False
    steps_per_call = (steps[-1].value - steps[0].value) / (steps[-1].at - steps[0].at or 1.0)
    if steps_per_call <= 0:
        return None, False
    drift = line.slope / steps_per_call / timestep * PS_FS * MEV / atoms
    return drift, abs(line.change) > FLUCTUATIONS * line.scatter
