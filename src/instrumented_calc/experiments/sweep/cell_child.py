"""One cell in its own process: `python -m instrumented_calc.experiments.sweep.cell_child CELL JOURNAL`.

A new process, so that no size inherits another's memory, caches or compiled programs, and so that thread
variables are set before any library reads them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from instrumented_calc.errors import ExperimentError, InstrumentedCalcError
from instrumented_calc.experiments.sweep.cell import SweepCell

# The exit code if other cells would fail too: the calculator cannot be built, or nothing is recorded.
UNUSABLE = 3
MODULE = "instrumented_calc.experiments.sweep.cell_child"


def command_of(cell: SweepCell, journal: Path) -> list[str]:
    """Return the command that computes a cell.

    Args:
        cell: The cell.
        journal: The journal to create.

    Raises:
        ExperimentError: The calculator's spec has characters that a journal cannot hold.
    """
    try:
        definition = msgspec.json.encode(cell).decode()
    except UnicodeEncodeError as error:
        message = f"calculator {cell.calc!r}: its name is not UTF-8; rename the file"
        raise ExperimentError(message) from error
    return [sys.executable, "-m", MODULE, definition, str(journal)]


def compute(cell: SweepCell, journal: Path) -> None:
    """Compute a cell; exit when the parent process has ended."""
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
        ensemble=cell.ensemble,
        steps=cell.steps,
        timestep_fs=system.timestep_fs,
        temperature_k=cell.temperature_k,
        equilibration=cell.equilibration,
        seed=cell.seed,
    )
    calc = build_calculator(cell.calc)
    # Traced calls are slower; a summary of every cell would clutter the table.
    options = {"trace": "off", "summary": False}
    profile_dynamics(calc, system.atoms, protocol, journal=journal, on_step=watch, **options)


def main() -> int:
    """Run the cell described by the command line; an error is one line on stderr."""
    try:
        compute(msgspec.json.decode(sys.argv[1], type=SweepCell), Path(sys.argv[2]))
    except InstrumentedCalcError as error:
        _say(str(error))
        return 1 if isinstance(error, ExperimentError) else UNUSABLE
    except Exception as error:  # noqa: BLE001 - a calculator may raise anything: its message is kept
        _say(f"{type(error).__name__}: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    """Print an error on one line: the parent process reads the last one."""
    print("error:", *text.split(), file=sys.stderr)  # noqa: T201 - read by the parent process


if __name__ == "__main__":
    sys.exit(main())
