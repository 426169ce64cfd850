"""The files that a calculator of a sweep is made from: `calc.py:make`, `mace:small.model`.

A cell has a hash of their content: whoever edits `calc.py` plans other cells, and finds no results of before.
What such a file imports or loads in turn is not known.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from instrumented_calc.errors import ExperimentError
from instrumented_calc.plain_text import shown_path

HASH_DIGITS = 12
CHUNK_BYTES = 1 << 20


def files_of(calc: str, directory: Path | None = None) -> list[str]:
    """Return the files in the spec of a calculator, as it names them; those that do not exist are left out.

    Args:
        calc: The spec.
        directory: Where relative paths begin; None: the working directory.
    """
    first, *others = calc.split(":")
    words = [first] if first.endswith(".py") else others  # a name such as `emt` may also be that of a file
    return [word for word in words if os.path.isfile(Path(directory or "", word))]  # noqa: PTH113 - odd names


def hash_of_files(calc: str, directory: Path | None = None) -> str:
    """Return a hash of the content of the files of a calculator; empty if there are none.

    Args:
        calc: The spec.
        directory: Where relative paths begin; None: the working directory.

    Raises:
        ExperimentError: A file cannot be read.
    """
    files = files_of(calc, directory)
    digest = hashlib.sha256()
    try:
        for name in files:
            with Path(directory or "", name).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
    except OSError as error:
        message = f"calculator {calc!r}: its file cannot be read: {error.strerror}; make it readable"
        raise ExperimentError(message) from error
    return digest.hexdigest()[:HASH_DIGITS] if files else ""


def check_files(calc: str, planned: str, directory: Path | None = None) -> None:
    """Check that the files of a calculator are those that its cells were planned with.

    Files that are not here are left to what needs them.

    Args:
        calc: The spec.
        planned: Hash of their content; empty: not known.
        directory: Where relative paths begin; None: the working directory.

    Raises:
        ExperimentError: Their content is another one.
    """
    if planned and hash_of_files(calc, directory) not in ("", planned):
        message = (
            f"{shown_path(' '.join(files_of(calc, directory)))} has changed since the cells were planned;"
            " plan anew with `sweep plan`"
        )
        raise ExperimentError(message)
