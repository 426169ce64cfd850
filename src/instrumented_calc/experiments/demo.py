"""The demonstration: real molecular dynamics of copper, profiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.api import profiled, recording
from instrumented_calc.experiments.calculators import build_calculator
from instrumented_calc.experiments.ranges import MOST_STEPS, check_whole

if TYPE_CHECKING:
    from collections.abc import Callable

TIMESTEP_FS = 5.0  # heavy atoms: a twentieth of copper's shortest period, 135 fs


def run_demo(spec: str, atoms: Any, *, steps: int, journal: Path, on_step: Callable[[int], None]) -> Path:
    """Run NVE dynamics of copper at 300 K with a profiled calculator.

    Args:
        spec: Calculator, see `build_calculator`.
        atoms: Copper with thermal velocities; modified in place.
        steps: Number of steps of 5 fs.
        journal: Journal to create; a number is added if the name is taken.
        on_step: Called after each step with the steps done.

    Raises:
        ExperimentError: A number is out of range.
        ModelError: The calculator cannot be built.

    Returns:
        The journal.
    """
    from ase import units
    from ase.md.verlet import VelocityVerlet

    check_whole("steps", steps, 1, MOST_STEPS)
    with profiled(build_calculator(spec), journal) as atoms.calc:
        run = recording(atoms.calc).run
        dynamics = VelocityVerlet(atoms, TIMESTEP_FS * units.fs)
        dynamics.attach(lambda: on_step(dynamics.nsteps))
        run.attach(dynamics)
        dynamics.run(steps)
        path = run.path
    return Path(path or journal)
