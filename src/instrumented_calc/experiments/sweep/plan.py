"""The user's plan of a sweep, as TOML: lists, of which every combination is a cell.

```toml
name = "metals"
calculators = ["emt", "lj", "orb-v2:random"]
systems = ["copper"]
sizes = [32, 108, 256, 500]
replicates = 2        # default 1
steps = 100           # default 100
threads = 1           # default 1
temperature_k = 300   # default 300
seed = 0              # default 0
```

With `[[grid]]` tables, the sweep has the combinations of each of them; what a table leaves out is taken from
the top.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import MOST_REPLICATES, check_whole
from instrumented_calc.experiments.sweep.calculator_files import hash_of_files
from instrumented_calc.experiments.sweep.cell import SweepCell, safe_name
from instrumented_calc.experiments.sweep.manifest import SweepManifest
from instrumented_calc.experiments.systems import true_sizes
from instrumented_calc.journal.decoding import converted
from instrumented_calc.naming import did_you_mean
from instrumented_calc.plain_text import shown_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MOST_CELLS = 1_000_000


class SweepGrid(msgspec.Struct):
    """Lists, of which every combination is a cell; the numbers are common to all."""

    calculators: list[str]
    systems: list[str]
    sizes: list[int]
    replicates: int = 1
    steps: int = 100
    threads: int = 1
    temperature_k: float = 300.0
    seed: int = 0


def read_plan(path: Path) -> tuple[SweepManifest, list[str]]:
    """Read a plan and resolve it.

    Sizes are replaced by the nearest possible numbers of atoms, and equal cells are kept once.

    Args:
        path: The TOML file.

    Returns:
        The manifest, and notes on sizes and files that are not as requested.

    Raises:
        ExperimentError: The file cannot be read, has unknown or wrong entries, or gives no cells; or a system
            is unknown.
    """
    shown = shown_path(path)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{shown}: {error.strerror}; give a plan such as sweep.toml"
        raise ExperimentError(message) from error
    except ValueError as error:
        message = f"{shown}: not TOML: {error}"
        raise ExperimentError(message) from error
    try:
        return _resolved(found, path.stem)
    except (msgspec.ValidationError, ExperimentError) as error:
        message = f"{shown}: {error}"
        raise ExperimentError(message) from error


def _resolved(found: dict[str, Any], stem: str) -> tuple[SweepManifest, list[str]]:
    name = found.pop("name", stem)
    tables = found.pop("grid", [{}])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        message = "grid must be tables, each under a line [[grid]]"
        raise ExperimentError(message)
    cells: dict[str, SweepCell] = {}
    notes: dict[str, None] = {}
    for table in tables:
        _check_names([*found, *table])
        grid = converted({**found, **table}, SweepGrid)
        check_whole("replicates", grid.replicates, 1, MOST_REPLICATES)
        number = len(grid.calculators) * len(grid.systems) * len(grid.sizes) * grid.replicates
        check_whole("the number of cells", len(cells) + number, 1, MOST_CELLS)
        for cell in _cells(grid, notes):
            cell.check()
            cells[cell.key] = cell
    return SweepManifest(safe_name(str(name)), cells), [*notes]


def _check_names(names: Iterable[str]) -> None:
    known = SweepGrid.__struct_fields__
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            message = f"unknown field `{name}`; {hint}"
            raise ExperimentError(message)


def _cells(grid: SweepGrid, notes: dict[str, None]) -> Iterator[SweepCell]:
    sizes = {}
    for system in grid.systems:
        sizes[system], said = true_sizes(system, grid.sizes, grid.seed)
        notes.update(dict.fromkeys(said))
    hashes = {calc: hash_of_files(calc) for calc in grid.calculators}
    for calc, found in hashes.items():
        if not found and calc.partition(":")[0].endswith(".py"):
            notes[f"the file of {calc} is not here, and the keys do not depend on its content"] = None
    for calc, system in itertools.product(grid.calculators, grid.systems):
        for n_atoms, replicate in itertools.product(sizes[system], range(1, grid.replicates + 1)):
            yield SweepCell(
                calc=calc,
                system=system,
                n_atoms=n_atoms,
                replicate=replicate,
                steps=grid.steps,
                threads=grid.threads,
                temperature_k=grid.temperature_k,
                seed=grid.seed,
                calc_files=hashes[calc],
            )
