"""The demonstration: real molecular dynamics of copper, profiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.api import profiled, recording
from instrumented_calc.experiments.calculators import build_calculator
from instrumented_calc.experiments.ranges import MOST_STEPS, check_whole
from instrumented_calc.experiments.systems import copper

if TYPE_CHECKING:
    from collections.abc import Callable

TIMESTEP_FS = 5.0  # heavy atoms: a twentieth of copper's shortest period, 135 fs


def run_demo(
    spec: str, *, n_atoms: int, steps: int, journal: Path, on_step: Callable[[int], None]
) -> tuple[Path, int]:
    """Run NVE dynamics of copper at 300 K with a profiled calculator.

    Args:
        spec: Calculator, see `build_calculator`.
        n_atoms: Requested number of atoms; rounded to the nearest number of whole cells.
        steps: Number of steps of 5 fs.
        journal: Journal to create; a number is added if the name is taken.
        on_step: Called after each step with the steps done.

    Raises:
        ExperimentError: A number is out of range.
        ModelError: The calculator cannot be built.

    Returns:
        The journal, and the true number of atoms.
    """
    from ase import units
    from ase.md.verlet import VelocityVerlet

    check_whole("steps", steps, 1, MOST_STEPS)
    atoms = copper(n_atoms)
    with profiled(build_calculator(spec), journal) as atoms.calc:
        run = recording(atoms.calc).run
        dynamics = VelocityVerlet(atoms, TIMESTEP_FS * units.fs)
        dynamics.attach(lambda: on_step(dynamics.nsteps))
        run.attach(dynamics)
        dynamics.run(steps)
        path = run.path
    return Path(path or journal), len(atoms)
