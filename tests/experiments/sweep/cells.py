"""Cells for the tests of sweeps, calculators that misbehave, and journals without a process each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from ase.build import bulk
from ase.calculators.emt import EMT

import instrumented_calc
from instrumented_calc import profiled
from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.experiments.sweep.manifest import SweepManifest

if TYPE_CHECKING:
    import pytest

    from instrumented_calc.experiments.sweep.results import ResultFolder

SOURCE = str(Path(instrumented_calc.__file__).parents[1])
FACTORIES = """
import os, signal, time
from pathlib import Path
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Slow(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        time.sleep(0.05)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}

class Breaks(Slow):
    def calculate(self, *arguments):
        raise MemoryError("no room")

class Dies(Slow):
    calls = 0

    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.calls += 1
        if self.calls == 3 and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)

class DiesAlways(Slow):
    def calculate(self, *arguments):
        os.kill(os.getpid(), signal.SIGKILL)

class TellsDevice(Slow):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        name = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
        Path("devices-" + name + "-" + os.environ.get("MALLOC_TRIM_THRESHOLD_", "none")).touch()
"""


def cell(calc: str = "emt", n_atoms: int = 4, replicate: int = 1, **other: object) -> SweepCell:
    """Return a short cell."""
    settings = {"system": "copper", "steps": 5, "threads": 1, "temperature_k": 300.0, "seed": 0, **other}
    return msgspec.convert({"calc": calc, "n_atoms": n_atoms, "replicate": replicate, **settings}, SweepCell)


def manifest_of(*cells: SweepCell) -> SweepManifest:
    """Return a manifest of these cells."""
    return SweepManifest("test", {each.key: each for each in cells})


def complete(manifest: SweepManifest) -> set[str]:
    """Return the names of the files of a complete sweep."""
    return {f"{key}.{kind}" for key in manifest.cells for kind in ("json", "jsonl")}


TWENTY_FOUR = manifest_of(
    *(cell(calc, n, r) for calc in ("emt", "lj", "morse") for n in (4, 8, 16, 32) for r in (1, 2))
)


def with_factories(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cells find the calculators of `FACTORIES`, and the package."""
    (folder / "factories.py").write_text(FACTORIES, encoding="utf-8")
    found = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{SOURCE}{os.pathsep}{found}" if found else SOURCE)


def write_journal(each: SweepCell, path: Path, *, breaks: bool = False) -> Path:
    """Write the journal of a cell in this process; `breaks`: an exception ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.environ["INSTRUMENTED_CALC_SERIES"] = each.key
    try:
        atoms = bulk("Cu", cubic=True)
        with profiled(EMT(), path, trace="off", summary=False) as atoms.calc:
            for _ in range(each.steps + 1):
                atoms.rattle(0.01)
                atoms.get_forces()
            if breaks:
                _ = 1 / 0
    except ZeroDivisionError:
        pass
    finally:
        del os.environ["INSTRUMENTED_CALC_SERIES"]
    return path


def files(results: ResultFolder) -> set[str]:
    """Return the names of all files of the results."""
    return {path.name for path in results.folder.iterdir()}
