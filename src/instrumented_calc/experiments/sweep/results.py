"""The folder of a sweep's results: which file belongs to which cell, and which cells are done."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.cell_journal import read_cell_journal
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from instrumented_calc.experiments.sweep.cell_journal import CellJournal

ATTEMPT = "attempt"


class ResultFolder:
    """The results of a sweep; nothing is remembered, each question is answered from the files.

    Args:
        folder: The folder, which may not exist yet.
        names: Other names of cells' files, by key.
    """

    def __init__(self, folder: Path, names: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._names = names or {}

    def create(self) -> None:
        """Create the folder.

        Raises:
            ExperimentError: It cannot be created or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write {shown_path(self.folder)}: {error.strerror}; give another --output"
            raise ExperimentError(message) from error
        if not os.access(self.folder, os.W_OK):
            message = f"cannot write {shown_path(self.folder)}: not writable; give another --output"
            raise ExperimentError(message)

    def _name(self, key: str) -> str:
        return self._names.get(key, key)

    def journal(self, key: str) -> Path:
        """Return the path of the journal of a cell that is done."""
        return self.folder / f"{self._name(key)}.jsonl"

    def figures(self, key: str) -> Path:
        """Return the path of the figures of a cell that is done."""
        return self.folder / f"{self._name(key)}.json"

    def new_attempt(self, key: str) -> Path:
        """Return a free path for the journal of a cell that is not done yet."""
        return self.folder / f"{self._name(key)}.{ATTEMPT}-{os.urandom(4).hex()}.jsonl"

    def attempts(self, key: str) -> list[Path]:
        """Return the journals of a cell that is running, failed or was killed."""
        return sorted(self.folder.glob(f"{self._name(key)}.{ATTEMPT}-*.jsonl"))

    def all_attempts(self) -> dict[str, list[Path]]:
        """Return the attempts of all cells by key; the folder is listed once, and not for each cell."""
        keys = {name: key for key, name in self._names.items()}
        found: dict[str, list[Path]] = {}
        for path in sorted(self.folder.glob(f"*.{ATTEMPT}-*.jsonl")):
            name = path.name.partition(".")[0]
            found.setdefault(keys.get(name, name), []).append(path)
        return found

    def find_done(self, key: str, attempts: Sequence[Path] | None = None) -> CellJournal | None:
        """Return the journal by which a cell is done, under whatever name; None if it is not done.

        A process that was killed between the end of a cell and the renaming of its journal leaves a complete
        attempt: that cell is done, too.

        Args:
            key: The cell's key.
            attempts: Its attempts, if they are known.
        """
        found = _done_journal(self.journal(key), key)
        if found is None:
            paths = self.attempts(key) if attempts is None else attempts
            found = next((each for path in paths if (each := _done_journal(path, key))), None)
        return found

    def keep(self, done: CellJournal) -> Path:
        """Give the journal of a cell that is done its name.

        Another journal by which the cell is done stays, and `done` remains an attempt; any other file of that
        name becomes one.

        Returns:
            The path of the cell's journal.
        """
        path = self.journal(done.key)
        if done.path != path and _done_journal(path, done.key) is None:
            with suppress(FileNotFoundError):
                path.replace(self.new_attempt(done.key))
            with suppress(FileNotFoundError):  # another process has renamed it
                done.path.replace(path)
        return path


def _done_journal(path: Path, key: str) -> CellJournal | None:
    found = read_cell_journal(path)
    return found if found is not None and found.key == key and found.is_done else None
