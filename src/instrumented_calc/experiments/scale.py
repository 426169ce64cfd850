"""A calculator over sizes and replicates: interrupted studies resume with the unfinished cells."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import MOST_REPLICATES, check_time_limit, check_whole
from instrumented_calc.experiments.sweep.calculator_files import hash_of_files
from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.experiments.sweep.results import ResultFolder
from instrumented_calc.experiments.sweep.run_cell import CELL_DONE, CELL_UNUSABLE, keep_done, run_cell
from instrumented_calc.experiments.sweep.run_sweep import in_random_rounds
from instrumented_calc.journal.new_file import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

MANIFEST = "scale.json"


@dataclass(frozen=True)
class ScaleSettings:
    """Settings common to all cells of a folder, so that cells of other settings are not mixed with them.

    Attributes:
        calc: The calculator's spec.
        system: The system's name.
        steps: Steps of dynamics in each cell.
        threads: Threads per library.
        temperature_k: Temperature of the velocities, K.
        seed: Seed of the system, its velocities and the order of the cells.
    """

    calc: str
    system: str
    steps: int
    threads: int = 1
    temperature_k: float = 300.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges of the numbers.

        Raises:
            ExperimentError: A number is out of range.
        """
        SweepCell(**asdict(self), n_atoms=1, replicate=1).check()

    def cells(self, sizes: Iterable[int], replicates: int) -> list[SweepCell]:
        """Return all cells.

        Args:
            sizes: True numbers of atoms.
            replicates: Cells of each size.

        Raises:
            ExperimentError: A file of the calculator cannot be read.
        """
        files = hash_of_files(self.calc)
        return [
            SweepCell(**asdict(self), n_atoms=size, replicate=number, calc_files=files)
            for size in sizes
            for number in range(1, replicates + 1)
        ]


@dataclass
class ScaleRun:
    """Result of a scaling study.

    Attributes:
        journals: Journals of the finished cells, including those of earlier starts.
        reused: Number of cells from earlier starts.
        failures: Failures, one line each.
    """

    journals: list[Path] = field(default_factory=list)
    reused: int = 0
    failures: list[str] = field(default_factory=list)


def run_scale(  # noqa: PLR0913 - keyword-only but for the two that name the work
    settings: ScaleSettings,
    sizes: Sequence[int],
    *,
    replicates: int,
    output: Path,
    time_limit_s: float | None = None,
    on_cell: Callable[[str, int, int], None] = lambda *_: None,
) -> ScaleRun:
    """Run the cells that are not done yet, one at a time, all first replicates before all second ones.

    A cell is done if and only if its journal is complete and has its key, as in a sweep.

    Args:
        settings: Settings common to all cells.
        sizes: True numbers of atoms.
        replicates: Cells of each size.
        output: Folder of the journals; created if needed.
        time_limit_s: Time limit for a cell, s.
        on_cell: Called before each cell, and at the end, with its name, the cells done and their number.

    Raises:
        ExperimentError: A number is out of range; the folder holds cells of other settings, or cannot be
            written; or the calculator cannot be built.
    """
    check_whole("replicates", replicates, 1, MOST_REPLICATES)
    check_time_limit(time_limit_s)
    cells = settings.cells(sizes, replicates)
    results = ResultFolder(output, {each.key: f"n{each.n_atoms:06d}-r{each.replicate}" for each in cells})
    if (output / MANIFEST).exists():
        _claim_folder(output, settings)
    results.create()
    done = dict.fromkeys(each for each in cells if keep_done(each, results))
    run = ScaleRun([results.journal(each.key) for each in done], len(done))
    missing = in_random_rounds((each for each in cells if each not in done), settings.seed)
    failed: set[int] = set()
    for number, cell in enumerate(missing, start=run.reused):
        if cell.n_atoms in failed:
            continue
        name = f"{cell.n_atoms} atoms, replicate {cell.replicate}"
        on_cell(name, number, len(cells))
        end = run_cell(cell, results, time_limit_s)
        if end.code == CELL_UNUSABLE:  # as all other cells would be
            raise ExperimentError(end.words)
        _claim_folder(output, settings)  # not before the calculator could be built
        if end.code == CELL_DONE:
            run.journals.append(results.journal(cell.key))
        else:
            # A failure would repeat: the other replicates wait for the next start.
            failed.add(cell.n_atoms)
            run.failures.append(f"{name}: {end.words}")
    on_cell("", len(cells), len(cells))
    return run


def _claim_folder(output: Path, settings: ScaleSettings) -> None:
    """Write the settings into the folder, or check that those in it are the same."""
    manifest = output / MANIFEST
    wanted = asdict(settings)
    try:
        if not manifest.exists():
            replace(manifest, (json.dumps(wanted, indent=2) + "\n").encode())
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot write {output}: {error.strerror}; give another --output"
        raise ExperimentError(message) from error
    except ValueError as error:
        message = f"{manifest}: not readable as JSON; give another --output"
        raise ExperimentError(message) from error
    if found != wanted:
        other = next(
            (name for name in wanted if not isinstance(found, dict) or found.get(name) != wanted[name]), ""
        )
        held = found.get(other) if isinstance(found, dict) else None
        message = (
            f"{output} has cells with {other} {held!r}, not {wanted.get(other)!r}: give another --output,"
            " or the same settings"
        )
        raise ExperimentError(message)
