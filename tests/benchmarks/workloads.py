"""What the benchmarks time: calculators and simulations, each prepared in the process that runs it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

Wrap = Callable[[Any], Any]
Block = Callable[[], None]


class BarePython:
    """No ASE at all: get_forces() calls calculate(), which sets two attributes."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.atoms = None
        self._forces = np.full((4, 3), 0.1)

    def get_forces(self, atoms: Any) -> Any:
        self.calculate(atoms, ["forces"], ["positions"])
        return self.results["forces"]

    def calculate(self, atoms: Any, properties: Any, system_changes: Any) -> None:
        self.results["energy"] = -1.5
        self.results["forces"] = self._forces


class Trivial(Calculator):
    """A real ASE calculator that calculates nothing: ASE's own work is all of its time."""

    implemented_properties = ("energy", "forces")  # type: ignore[assignment]

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        energy = -1.5 + self.atoms.positions.item(0)  # that of a real one changes with the positions
        self.results = {"energy": energy, "forces": np.ones((len(self.atoms), 3))}


class Layers(Calculator):
    """Runs thirty small torch layers and their backward pass."""

    implemented_properties = ("energy", "forces")  # type: ignore[assignment]

    def __init__(self) -> None:
        import torch

        super().__init__()
        blocks = [torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.SiLU()) for _ in range(30)]
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 64), *blocks, torch.nn.Linear(64, 1))

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        import torch

        super().calculate(atoms, properties, system_changes)
        positions = torch.tensor(self.atoms.positions, dtype=torch.float32, requires_grad=True)
        energy = self.model(positions).sum()
        (gradient,) = torch.autograd.grad(energy, positions)
        self.results = {"energy": energy.item(), "forces": -gradient.numpy()}


@dataclass
class Workload:
    """A timed workload.

    Attributes:
        name: As tables show it.
        calls: Force calls of a block.
        prepare: `prepare(wrap)` returns a function that makes a block of calls of the wrapped calculator.
        goal: What recording may add.
        libraries: Distributions that it needs.
    """

    name: str
    calls: int
    prepare: Callable[[Wrap], Block]
    goal: str = ""
    libraries: tuple[str, ...] = ()


def bare_python(wrap: Wrap) -> Block:
    calc, atoms = wrap(BarePython()), bulk("Cu", cubic=True)

    def block() -> None:
        get_forces = calc.get_forces
        for _ in range(2000):
            get_forces(atoms)

    return block


def trivial(wrap: Wrap) -> Block:
    atoms = bulk("Cu", cubic=True) * 2
    atoms.calc = wrap(Trivial())

    def block() -> None:
        positions = atoms.positions
        for _ in range(100):
            positions[0, 0] += 1e-6
            atoms.get_forces()

    return block


def dynamics(atoms: Callable[[], Any], calculator: Callable[[], Any], steps: int) -> Callable[[Wrap], Block]:
    """Return the `prepare` of a molecular dynamics of so many steps per block."""

    def prepare(wrap: Wrap) -> Block:
        moving = atoms()
        moving.rattle(0.02, seed=1)
        moving.calc = wrap(calculator())
        md = VelocityVerlet(moving, 2 * units.fs)
        return lambda: md.run(steps)

    return prepare


def copper(repeat: int) -> Callable[[], Any]:
    return lambda: bulk("Cu", cubic=True) * repeat


def silicon() -> Any:
    return bulk("Si", cubic=True)


def real(name: str) -> Callable[[], Any]:
    """Return what makes a model that is tested, too."""

    def make() -> Any:
        from tests.integrations import real_calculators

        return getattr(real_calculators, name)(Path(tempfile.mkdtemp()))

    return make


def orb_v2() -> Any:
    """Return Orb-v2 of its published size, with random weights."""
    from tests.integrations.orb_models_built import built

    from instrumented_calc_orb import OrbCalculator

    return OrbCalculator(built(layers=15), device="cpu")


def ellipsoids() -> Any:
    from tests.integrations import real_calculators

    return real_calculators.ellipsoids()


WORKLOADS = (
    Workload("bare Python", 2000, bare_python, goal="<= 1.5 us"),
    Workload("trivial ASE, 32 atoms", 100, trivial, goal="<= 5 us"),
    Workload("EMT, 4 atoms, MD", 200, dynamics(copper(1), EMT, 200), goal="<= 1.5 %"),
    Workload("EMT, 32 atoms, MD", 60, dynamics(copper(2), EMT, 60), goal="<= 0.4 %"),
)
MODELS = (
    Workload("torch layers, 8 atoms, MD", 10, dynamics(silicon, Layers, 10), libraries=("torch",)),
    Workload("CHGNet, 8 atoms, MD", 2, dynamics(silicon, real("chgnet"), 2), libraries=("torch", "chgnet")),
    Workload("Orb-v2, 8 atoms, MD", 2, dynamics(silicon, orb_v2, 2), libraries=("torch", "orb-models")),
    Workload(
        "AniSOAP, 4 ellipsoids, MD", 1, dynamics(ellipsoids, real("anisoap"), 1), libraries=("anisoap",)
    ),
)


def run(name: str, calls: int) -> None:
    """Make so many force calls of the bare calculator of a workload."""
    (workload,) = (each for each in (*WORKLOADS, *MODELS) if each.name == name)
    block = workload.prepare(lambda calc: calc)
    for _ in range(calls // workload.calls):
        block()
