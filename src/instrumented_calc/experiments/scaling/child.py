"""One cell of a scaling, in its own process: `python -m instrumented_calc.experiments.scaling.child JSON`.

A new process, so that no size inherits another's memory, caches or compiled programs, and so that thread
variables are set before any library reads them.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from instrumented_calc.errors import ExperimentError, InstrumentedCalcError

# The exit code if other cells would fail too: the calculator cannot be built, or nothing is recorded.
UNUSABLE = 3
MODULE = "instrumented_calc.experiments.scaling.child"


@dataclass(frozen=True)
class ScalingCell:
    """The task of one process: NVE dynamics without equilibration.

    Attributes:
        calc: The calculator's spec.
        system: The system's name.
        n_atoms: The number of atoms.
        steps: Steps of dynamics.
        temperature_k: Temperature of the velocities, K.
        seed: Seed of the system and its velocities.
        journal: The journal to create.
    """

    calc: str
    system: str
    n_atoms: int
    steps: int
    temperature_k: float
    seed: int
    journal: str

    def command(self) -> list[str]:
        """Return the command that runs this cell."""
        return [sys.executable, "-m", MODULE, json.dumps(asdict(self))]


def run_cell(cell: ScalingCell) -> None:
    """Run a cell; exit when the parent process has ended."""
    from instrumented_calc.experiments.calculators import build_calculator
    from instrumented_calc.experiments.dynamics import Protocol
    from instrumented_calc.experiments.profile import profile_dynamics
    from instrumented_calc.experiments.systems import build_system

    parent = os.getppid()

    def watch(*_: object) -> None:
        if os.getppid() != parent:
            sys.exit("error: the parent process of this cell has ended")

    system = build_system(cell.system, cell.n_atoms, temperature_k=cell.temperature_k, seed=cell.seed)
    protocol = Protocol(
        ensemble="nve",
        steps=cell.steps,
        timestep_fs=system.timestep_fs,
        temperature_k=cell.temperature_k,
        equilibration=0,
        seed=cell.seed,
    )
    calc = build_calculator(cell.calc)
    # Traced calls are slower; a summary of every cell would clutter the table.
    options = {"trace": "off", "summary": False}
    profile_dynamics(calc, system.atoms, protocol, journal=Path(cell.journal), on_step=watch, **options)


def main() -> int:
    """Run the cell described by the command line; an error is one line on stderr."""
    try:
        run_cell(ScalingCell(**json.loads(sys.argv[1])))
    except InstrumentedCalcError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - read by the parent process
        return 1 if isinstance(error, ExperimentError) else UNUSABLE
    except Exception as error:  # noqa: BLE001 - a calculator may raise anything: its message is kept
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - read by the parent process
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
