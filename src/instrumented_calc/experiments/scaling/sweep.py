"""A calculator over sizes and replicates: interrupted studies resume with the unfinished cells."""

from __future__ import annotations

import json
import os
import random
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import (
    MOST_REPLICATES,
    MOST_STEPS,
    MOST_THREADS,
    check_atoms,
    check_seed,
    check_temperature,
    check_time_limit,
    check_whole,
)
from instrumented_calc.experiments.scaling.cell_process import run_process
from instrumented_calc.experiments.scaling.child import ScalingCell
from instrumented_calc.journal.new_file import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

MANIFEST = "scale.json"
PARTIAL = re.compile(r"\.n\d+-r\d+\.(\d+)\.partial(-\d+)?\.jsonl")


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
        check_whole("steps", self.steps, 1, MOST_STEPS)
        check_whole("threads", self.threads, 1, MOST_THREADS)
        check_temperature(self.temperature_k)
        check_seed(self.seed)


@dataclass
class ScaleRun:
    """Result of a scaling study.

    Attributes:
        journals: Journals of the finished cells, including those of earlier starts.
        reused: Number of cells from earlier starts.
        failures: Failures, one line each.
        notes: Further notes for the user.
    """

    journals: list[Path] = field(default_factory=list)
    reused: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def true_sizes(system: str, wanted: Iterable[int], seed: int) -> tuple[list[int], list[str]]:
    """Return the possible numbers of atoms of a system, ascending, and notes on deviations.

    Raises:
        ExperimentError: The system is unknown, or a number is out of range.
    """
    from instrumented_calc.experiments.systems import build_system

    wanted = list(wanted)
    for n_atoms in wanted:  # all of them before the first is built
        check_atoms(n_atoms)
    built = [build_system(system, n_atoms, seed=seed) for n_atoms in wanted]
    return sorted({len(each.atoms) for each in built}), [each.note for each in built if each.note]


def run_scale(  # noqa: PLR0913 - keyword-only but for the two that name the work
    settings: ScaleSettings,
    sizes: Sequence[int],
    *,
    replicates: int,
    output: Path,
    time_limit_s: float | None = None,
    on_cell: Callable[[str, int, int], None] = lambda *_: None,
) -> ScaleRun:
    """Run the cells that are not finished yet, in shuffled order, one at a time.

    Each cell writes a journal under a temporary name and renames it when the cell is complete: a killed
    process leaves no cell that only looks finished.

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
    _check_folder(output, settings)
    cells = [(size, replicate) for size in sizes for replicate in range(1, replicates + 1)]
    run = ScaleRun(journals=[path for cell in cells if (path := output / _name(*cell)).is_file()])
    run.reused = len(run.journals)
    missing = [cell for cell in cells if not (output / _name(*cell)).is_file()]
    # Shuffled so that a slow drift of the machine does not look like an effect of size.
    random.Random(settings.seed).shuffle(missing)  # noqa: S311 - no secret
    failed: set[int] = set()
    for done, (size, replicate) in enumerate(missing, start=run.reused):
        if size in failed:
            continue
        on_cell(f"{size} atoms, replicate {replicate}", done, len(cells))
        path = output / _name(size, replicate)
        trouble = _run_cell(settings, size, path, time_limit_s)
        _claim_folder(output, settings)  # not before the calculator could be built
        if trouble is None:
            run.journals.append(path)
        else:
            # A failure would repeat: the other replicates wait for the next start.
            failed.add(size)
            run.failures.append(f"{size} atoms, replicate {replicate}: {trouble}")
    on_cell("", len(cells), len(cells))
    return run


def _name(size: int, replicate: int) -> str:
    return f"n{size:06d}-r{replicate}.jsonl"


def _check_folder(output: Path, settings: ScaleSettings) -> None:
    """Create the folder, or check that it has the same settings; remove the remains of killed cells."""
    if (output / MANIFEST).exists():
        _claim_folder(output, settings)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path in output.glob(".n*.partial*.jsonl"):
            match = PARTIAL.fullmatch(path.name)
            if match and not _is_alive(int(match[1])):
                path.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {output}: {error.strerror}; give another --output"
        raise ExperimentError(message) from error
    if not os.access(output, os.W_OK):
        message = f"cannot write {output}: not writable; give another --output"
        raise ExperimentError(message)


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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _run_cell(settings: ScaleSettings, size: int, path: Path, time_limit_s: float | None) -> str | None:
    """Run a cell in a process of its own; return the error, or None."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.jsonl")
    partial.unlink(missing_ok=True)
    cell = ScalingCell(
        calc=settings.calc,
        system=settings.system,
        n_atoms=size,
        steps=settings.steps,
        temperature_k=settings.temperature_k,
        seed=settings.seed,
        journal=str(partial),
    )
    try:
        end = run_process(cell, settings.threads, time_limit_s)
        if end.code == 0:
            partial.replace(path)
            return None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    if end.is_unusable:
        raise ExperimentError(end.words)
    return end.words
