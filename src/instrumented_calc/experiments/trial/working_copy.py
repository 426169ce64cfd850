"""Copies of the working directory: a program that runs again and again must not overwrite its own results."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.errors import ExperimentError
from instrumented_calc.quantities import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 1_000_000_000
# Not inputs of a program: version control, caches, Python environments.
SKIPPED = frozenset({".git", ".hg", ".svn", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
ENVIRONMENT_MARK = "pyvenv.cfg"


class WorkingCopy:
    """Makes copies of a folder that are all alike.

    Args:
        folder: The working directory of the user.
        place: Where the copies are; not copied itself.

    Raises:
        ExperimentError: The folder is too large to be copied.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self._folder = folder
        self._place = place.resolve()
        size = 0
        for path in self._files():
            size += path.stat().st_size
            if size > MOST_BYTES:
                message = (
                    f"{folder}: more than {bytes_of(MOST_BYTES)}, too much to run the program in copies;"
                    " start from a folder with only the program and its inputs"
                )
                raise ExperimentError(message)

    def make(self, name: str) -> Path:
        """Create a copy and return its folder.

        Args:
            name: Its name, new.

        Raises:
            ExperimentError: It cannot be created.
        """
        target = self._place / name
        try:
            shutil.copytree(self._folder, target, symlinks=False, ignore=self._ignored)
        except (OSError, shutil.Error) as error:
            message = f"cannot copy {self._folder} to {target}: {error}; give another --output"
            raise ExperimentError(message) from error
        return target

    def _files(self) -> Iterator[Path]:
        for folder, folders, files in os.walk(self._folder):
            ignored = set(self._ignored(folder, [*folders, *files]))
            folders[:] = [each for each in folders if each not in ignored]
            yield from (Path(folder) / each for each in files if each not in ignored)

    def _ignored(self, folder: str, names: Iterable[str]) -> list[str]:
        return [name for name in names if self._is_ignored(Path(folder) / name)]

    def _is_ignored(self, path: Path) -> bool:
        if path.name in SKIPPED or path.resolve() == self._place:
            return True
        if path.is_dir():
            return (path / ENVIRONMENT_MARK).exists()
        return not path.is_file()  # sockets, pipes, broken links
