"""The manifest of a sweep: every cell with its key, as JSON; see the package for its form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.journal.decoding import converted
from instrumented_calc.journal.new_file import replace
from instrumented_calc.naming import did_you_mean
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_SCHEMA = "instrumented-calc-sweep/1"


class SweepManifest(msgspec.Struct, frozen=True):
    """All cells of a sweep.

    Attributes:
        name: A short name, with the letters of a key.
        cells: The cells by key, in the order of the plan.
    """

    name: str
    cells: dict[str, SweepCell]

    def find(self, key: str) -> SweepCell:
        """Return the cell of a key.

        Raises:
            ExperimentError: There is none.
        """
        if key not in self.cells:
            hint = did_you_mean(key, self.cells) or f"{len(self.cells)} keys are in the manifest"
            message = f"no cell has the key {key[:120]!r}; {hint}"
            raise ExperimentError(message)
        return self.cells[key]


def write_manifest(manifest: SweepManifest, path: Path) -> None:
    """Write a manifest; a manifest of this name is replaced, any other file is not.

    Raises:
        ExperimentError: The file is not a manifest, or cannot be written.
    """
    if path.exists():
        read_manifest(path)
    cells = [{"key": key, **cell.definition} for key, cell in manifest.cells.items()]
    # One line a cell, so that two manifests can be compared line by line.
    lines = ",\n  ".join(json.dumps(cell) for cell in cells)
    head = f'"schema": {json.dumps(MANIFEST_SCHEMA)}, "name": {json.dumps(manifest.name)}'
    try:
        replace(path, f'{{{head}, "cells": [\n  {lines}\n]}}\n'.encode())
    except OSError as error:
        message = f"cannot write {shown_path(path)}: {error.strerror}; give another --output"
        raise ExperimentError(message) from error


def read_manifest(path: Path) -> SweepManifest:
    """Read a manifest and check every cell.

    Raises:
        ExperimentError: The file cannot be read or is not a manifest, or a key is not that of its cell.
    """
    shown = shown_path(path)
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        message = f"{shown}: {error.strerror}; give the manifest that `sweep plan` wrote"
        raise ExperimentError(message) from error
    except ValueError as error:
        message = f"{shown}: not a manifest, which is JSON; make one with `sweep plan`"
        raise ExperimentError(message) from error
    if not isinstance(found, dict) or found.get("schema") != MANIFEST_SCHEMA:
        message = f"{shown}: not a manifest of {MANIFEST_SCHEMA}; make one with `sweep plan`"
        raise ExperimentError(message)
    cells: Any = found.get("cells")
    if not isinstance(cells, list) or not cells:
        message = f"{shown}: the manifest has no cells; make it anew with `sweep plan`"
        raise ExperimentError(message)
    kept = dict(_checked(number, cell, shown) for number, cell in enumerate(cells, start=1))
    return SweepManifest(str(found.get("name", "sweep")), kept)


def _checked(number: int, found: Any, shown: str) -> tuple[str, SweepCell]:
    """Return a cell with its key, which is computed and not read: it becomes a file name."""
    try:
        cell = converted(found, SweepCell)
        cell.check()
    except (msgspec.ValidationError, ExperimentError) as error:
        message = f"{shown}: cell {number}: {error}; make the manifest anew with `sweep plan`"
        raise ExperimentError(message) from error
    if found.get("key") != cell.key:
        message = (
            f"{shown}: the key of cell {number} is not that of its values; make it anew with `sweep plan`"
        )
        raise ExperimentError(message)
    return cell.key, cell
