"""Several models on the same system, each a cell of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import JournalReadError
from instrumented_calc.experiments.calculators import offered_specs
from instrumented_calc.experiments.sweep.calculator_files import hash_of_files
from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.experiments.sweep.run_cell import run_cell
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import PhaseSummary, Summary
    from instrumented_calc.experiments.dynamics import Protocol
    from instrumented_calc.experiments.sweep.results import ResultFolder
    from instrumented_calc.experiments.systems import System

ALWAYS = ("emt",)


@dataclass(frozen=True)
class Compared:
    """One model of a comparison.

    Attributes:
        spec: The `--calc` option.
        failure: Reason for a missing result, in one line; empty if there is one.
        summary: The journal in numbers, or None after a failure.
    """

    spec: str
    failure: str = ""
    summary: Summary | None = None

    @property
    def last_phase(self) -> PhaseSummary | None:
        """The requested dynamics, without the preceding equilibration; None for frames."""
        return self.summary.phases[-1] if self.summary is not None and self.summary.phases else None


def known_specs() -> list[str]:
    """Return the models offered by the installed integrations, and those of ASE."""
    return [*ALWAYS, *offered_specs()]


def cell_of(spec: str, system: System, protocol: Protocol) -> SweepCell:
    """Return the cell of a model; it has as many threads as the environment gives it.

    Args:
        spec: The `--calc` option.
        system: The system.
        protocol: The dynamics, with the time step of the system.

    Raises:
        ExperimentError: A file of the model cannot be read.
    """
    settings = asdict(protocol)
    del settings["timestep_fs"]
    return SweepCell(
        calc=spec,
        system=system.name,
        n_atoms=len(system.atoms),
        replicate=1,
        threads=0,
        calc_files=hash_of_files(spec),
        **settings,
    )


def measure_model(cell: SweepCell, results: ResultFolder) -> Compared:
    """Run the cell of a model, unless it is done.

    Args:
        cell: The cell.
        results: Where its journal is kept.

    Raises:
        ExperimentError: The folder cannot be written.
    """
    try:
        end = run_cell(cell, results)
        if end.words:
            return Compared(cell.calc, failure=end.words)
        return Compared(cell.calc, summary=summarize(read_journal(results.journal(cell.key))))
    except JournalReadError as error:
        return Compared(cell.calc, failure=f"no journal: {error}")
