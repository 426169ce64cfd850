"""Brings the results of a sweep together: each cell once, with its figures, and names what is missing.

Journals are recognised by what they contain, not by their names: a batch system may have renamed them, and
several clusters may have returned theirs into folders of their own. Nothing is deleted or moved out of such a
folder, and a journal that is copied counts only when its last record has arrived: whenever it is stopped,
gathering again gives the same.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError, JournalReadError
from instrumented_calc.experiments.sweep.cell_journal import read_cell_journal
from instrumented_calc.experiments.sweep.figures import read_figures, write_figures
from instrumented_calc.experiments.sweep.status import status_of
from instrumented_calc.plain_text import shown_path
from instrumented_calc.quantities import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from instrumented_calc.experiments.sweep.cell import SweepCell
    from instrumented_calc.experiments.sweep.cell_journal import CellJournal
    from instrumented_calc.experiments.sweep.manifest import SweepManifest
    from instrumented_calc.experiments.sweep.results import ResultFolder
    from instrumented_calc.experiments.sweep.status import MissingCell


@dataclass
class GatheredSweep:
    """The results of a sweep.

    Attributes:
        figures: Figures of the cells that are done, each once, in the order of the manifest.
        missing: The other cells.
        twice: Keys of cells that more than one run has finished; the one that was there first is used.
        foreign: Files that are no journal of a cell of this sweep.
        unreadable: Cells whose journal is complete but cannot be read, one line each.
    """

    figures: list[dict[str, Any]] = field(default_factory=list)
    missing: list[MissingCell] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Return what the user should know of the files and figures, one line each."""
        found = [f"{each['key']}: {problem}" for each in self.figures for problem in each["problems"]]
        found += [f"unreadable journal of {each}" for each in self.unreadable]
        found += [f"{key} was finished by more than one run; one of them is used" for key in self.twice]
        if self.foreign:
            first = shown_path(self.foreign[0])
            found.append(
                f"ignored: {plural(len(self.foreign), 'file')} of no cell of this sweep, such as {first}"
            )
        return found


def gather_sweep(
    manifest: SweepManifest,
    results: ResultFolder,
    folders: Sequence[Path] = (),
    on_cell: Callable[[str, int, int], None] = lambda *_: None,
) -> GatheredSweep:
    """Bring the results of a sweep into one folder.

    Args:
        manifest: The sweep.
        results: The folder that they are brought to; created if needed.
        folders: Further folders, searched with all folders in them.
        on_cell: Called with `cells`, the number of cells that were looked at, and their total.

    Raises:
        ExperimentError: A folder does not exist, or the results cannot be written.
    """
    for folder in folders:
        if not folder.is_dir():
            message = f"{shown_path(folder)}: no such folder; give folders with results of the sweep"
            raise ExperimentError(message)
    results.create()
    gathered = GatheredSweep()
    finished = _finished(manifest, _journals_in([results.folder, *folders]), gathered)
    gathered.twice = [key for key, runs in finished.items() if len(runs) > 1]
    attempts = results.all_attempts()
    for done, (key, cell) in enumerate(manifest.cells.items(), start=1):
        if key in finished:
            journal = results.find_done(key, attempts.get(key, [])) or _copied(finished[key], results)
            _take(cell, journal, results, gathered)
        on_cell("cells", done, len(manifest.cells))
    gathered.missing = status_of(manifest, results).missing
    return gathered


def _journals_in(folders: Iterable[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for folder in folders:
        found.update(dict.fromkeys(path.resolve() for path in sorted(folder.rglob("*.jsonl"))))
    return [*found]


def _finished(
    manifest: SweepManifest, paths: Iterable[Path], gathered: GatheredSweep
) -> dict[str, dict[str, CellJournal]]:
    """Return the runs that finished each cell, by key and run, and note the files that are none of a cell."""
    finished: dict[str, dict[str, CellJournal]] = {}
    for path in paths:
        journal = read_cell_journal(path)
        if journal is None or journal.key not in manifest.cells:
            gathered.foreign.append(path)
        elif journal.is_done:
            finished.setdefault(journal.key, {}).setdefault(journal.run_id, journal)
    return finished


def _copied(runs: dict[str, CellJournal], results: ResultFolder) -> CellJournal:
    """Copy the journal of the run that ended first, as an attempt until it is complete."""
    first = min(runs.values(), key=lambda each: (each.ended, each.run_id))
    path = results.new_attempt(first.key)
    try:
        shutil.copyfile(first.path, path)
    except OSError as error:
        message = f"cannot copy {shown_path(first.path)} to {shown_path(path)}: {error.strerror}"
        raise ExperimentError(message) from error
    return replace(first, path=path)


def _take(cell: SweepCell, done: CellJournal, results: ResultFolder, gathered: GatheredSweep) -> None:
    """Give a cell that is done its journal and figures in the folder of the results."""
    results.keep(done)
    try:
        if read_figures(cell, results, done.run_id) is None:
            write_figures(cell, results)
        figures = read_figures(cell, results, done.run_id)
    except JournalReadError as error:
        gathered.unreadable.append(f"{cell.key}: {error}")
        return
    if figures is not None:
        gathered.figures.append(figures)
