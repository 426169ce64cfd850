"""Figures of the ingested data, next to the figures from the bundles."""

from __future__ import annotations

import hashlib
import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from instrumented_calc.errors import ExperimentError, IntakeError
from instrumented_calc.intake.archives.output_folder import folder_in, sha256_in
from instrumented_calc.journal.new_file import create
from instrumented_calc.reporting.forms.figures import render_figure
from instrumented_calc.reporting.intake.figures import figures_of_intake

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.intake.ingest import Ingested
    from instrumented_calc.reporting.figure import Figure

FOLDER = "figures"


def draw(found: Ingested) -> None:
    """Draw the figures that the data suffices for; a figure that fails becomes a note, not an error.

    Args:
        found: The ingested data; written files are added to its tables.

    Raises:
        IntakeError: The results cannot be written.
    """
    figures, notes = figures_of_intake(found.evidence)
    found.notes += notes
    for each in figures:
        try:
            files = _rendered(each)
        except ExperimentError as error:
            found.notes.append(str(error))  # the same for all: matplotlib is missing
            return
        except (ArithmeticError, ValueError) as error:  # figures in a bundle may be any number
            found.notes.append(f"{each.name} was not drawn: {error}")
            continue
        found.tables += [_write(found.output, name, content) for name, content in files.items()]


def _rendered(figure: Figure) -> dict[str, bytes]:
    with warnings.catch_warnings():
        # Long names do not fit and odd numbers overflow; the user cannot act on either.
        warnings.simplefilter("ignore")
        return render_figure(figure)


def _write(output: Path, name: str, content: bytes) -> str:
    """Write a new file; if the name is taken by other content, add a hash to the name."""
    folder = output / FOLDER
    stem, _, suffix = name.rpartition(".")
    sha256 = hashlib.sha256(content).hexdigest()
    other = f"{stem}-{sha256[:12]}.{suffix}"
    try:
        with folder_in(output, FOLDER) as opened:
            for free in (name, other):
                with suppress(FileExistsError):
                    with os.fdopen(create(free, folder=opened), "wb") as file:
                        file.write(content)
                    return f"{FOLDER}/{free}"
                if sha256_in(opened, free) == sha256:
                    return f"{FOLDER}/{free}"
    except OSError as error:
        message = f"{folder}: {error.strerror or error}; give another --output"
        raise IntakeError(message) from error
    message = f"{folder / other} already exists; give another --output"
    raise IntakeError(message)
