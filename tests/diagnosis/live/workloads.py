"""What the live cases simulate: copper with Morse pairs, a small learned potential, external programs."""

from __future__ import annotations

import contextlib
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from tests.diagnosis.simulations import FS, Pairs, heated

from instrumented_calc import ProfiledCalculator, profiled, recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ase import Atoms


@contextlib.contextmanager
def recorded(calculator: Any, units: int) -> Iterator[Any]:
    """Profile a calculator, and leave in a file how many ms each of so many units of work took."""
    with warnings.catch_warnings(), profiled(calculator, "run.jsonl", summary=False) as wrapped, timed(units):
        warnings.simplefilter("ignore")
        yield wrapped


@contextlib.contextmanager
def shared_run(calculator: Any, units: int) -> Iterator[Any]:
    """Profile a calculator in the process's run, which other calculators join."""
    wrapped = ProfiledCalculator(calculator)
    with timed(units):
        yield wrapped
    recording(wrapped).run.close()


@contextlib.contextmanager
def timed(units: int) -> Iterator[None]:
    """Leave in a file how many ms each of so many units of work took."""
    begun = time.perf_counter()
    yield
    Path("ms_per_step").write_text(str(1e3 * (time.perf_counter() - begun) / units))


def move(  # noqa: PLR0913, PLR0917 - the options of a run
    atoms: Atoms,
    calculator: Any,
    steps: int,
    driver: Any = VelocityVerlet,
    step: float = 2.0,
    observe: Callable[[Any], object] = lambda _: None,
    **options: Any,
) -> None:
    """Run MD with the calculator profiled."""
    with recorded(calculator, steps) as atoms.calc:
        dynamics = driver(atoms, step * FS, **options)
        observe(dynamics)
        with np.errstate(all="ignore"):
            dynamics.run(steps)


def copper(repeat: int = 2, kelvin: float = 300.0, seed: int = 0) -> Atoms:
    """Return warm copper, 4 atoms per cell."""
    return heated(bulk("Cu", "fcc", a=3.6, cubic=True) * (repeat, repeat, repeat), kelvin, seed)


def working(work: Callable[[Atoms], object]) -> Pairs:
    """Return a calculator that does something in each call beside its forces."""
    return Pairs(lambda _, atoms, __: work(atoms))


class AskedOnly(Pairs):
    """Gives the stress only where it is asked for, as many calculators do."""

    seconds = 0.004

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        time.sleep(self.seconds)
        if "stress" not in properties:
            del self.results["stress"]


def learned(**options: Any) -> Any:
    """Return a small learned potential with forces from autograd.

    Args:
        options: Attributes to set: `dtype`, `width`, `train`, ...
    """
    import torch

    torch.set_num_threads(1)
    return Learned(**options)


class Learned(Calculator):
    """Morse pairs and a network over radial features of each atom; forces by autograd.

    Args:
        width: Width of the network.
        dtype: Name of a torch dtype.
        dropout: Share of dropped features, if the network is left in training mode.
    """

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, width: int = 64, dtype: str = "float32", dropout: float = 0.0) -> None:
        super().__init__()
        import torch

        torch.manual_seed(0)
        self.dtype = getattr(torch, dtype)
        self.centres = torch.linspace(2.0, 6.0, 16, dtype=self.dtype)
        layers = [torch.nn.Linear(16, width), torch.nn.SiLU(), torch.nn.Dropout(dropout)]
        layers += [torch.nn.Linear(width, width), torch.nn.SiLU(), torch.nn.Linear(width, 1)]
        self.model = torch.nn.Sequential(*layers).to(self.dtype)

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        import torch

        positions = torch.tensor(self.atoms.positions, dtype=self.dtype, requires_grad=True)
        energy = self.energy(positions)
        (gradient,) = torch.autograd.grad(energy, positions)
        self.results = {"energy": float(energy.detach()), "forces": -gradient.double().numpy()}
        self.after(positions)

    def energy(self, positions: Any) -> Any:
        """Return the energy of positions, with its graph."""
        import torch

        number = len(positions)
        first, second = torch.triu_indices(number, number, 1)
        lengths = torch.tensor(self.atoms.cell.lengths(), dtype=self.dtype)
        away = positions[first] - positions[second]
        away = away - lengths * torch.round(away / lengths)
        distance = away.norm(dim=1)
        basis = torch.exp(-2 * (distance[:, None] - self.centres) ** 2)
        features = torch.zeros(number, 16, dtype=self.dtype)
        features = features.index_add(0, first, basis).index_add(0, second, basis)
        wave = torch.exp(-1.5 * (distance - 2.7))
        return 0.4 * ((1 - wave) ** 2 - 1).sum() + 0.02 * self.model(features).sum()

    def after(self, positions: Any) -> None:
        """Do what the fault adds to a call."""
