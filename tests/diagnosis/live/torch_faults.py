"""A small learned potential, used in ways that cost time or ruin the result."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.mixing import SumCalculator
from ase.md.langevin import Langevin
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import FS, Learned, Pairs, copper, learned, move

if TYPE_CHECKING:
    import random


TORCH = {"library": "torch", "stored": False, "busy": True}


def torch_threads(number: int = 1) -> Any:
    """Return torch with a number of threads."""
    import torch

    torch.set_num_threads(number)
    return torch


class ItemByItem(Learned):
    """Reads distances from a tensor number by number."""

    def after(self, positions: Any) -> None:
        self.read_number_by_number((positions * 1.0).detach())

    def read_number_by_number(self, positions: Any) -> None:
        for _ in range(12):
            self.total = sum(abs(value.item()) for row in positions for value in row)


@case("torch-item-by-item", places=("read_number_by_number",), saving=True, **TORCH)
def torch_item_by_item(draw: random.Random, planted: bool) -> None:
    """Numbers are read from a tensor one by one; the twin reads none."""
    torch_threads()
    move(copper(), ItemByItem() if planted else learned(), 300)


class UnusedStress(Learned):
    """Differentiates by strain in each call, for a stress that nobody asks for."""

    def after(self, positions: Any) -> None:
        self.differentiate_by_strain(positions.detach())

    def differentiate_by_strain(self, positions: Any) -> None:
        import torch

        for _ in range(2):
            strain = torch.eye(3, dtype=self.dtype, requires_grad=True)
            (gradient,) = torch.autograd.grad(self.energy(positions @ strain), strain)
        self.results["stress"] = (gradient.double().numpy() / self.atoms.get_volume())[
            [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
        ]


@case("torch-stress-unused", places=("differentiate_by_strain",), saving=True, **TORCH)
def torch_stress_unused(draw: random.Random, planted: bool) -> None:
    """The stress is computed by another backward pass in each call, and never used."""
    torch_threads()
    move(copper(), UnusedStress() if planted else learned(), 250)


@case("torch-double-on-cpu", "slow-double", **TORCH)
def torch_double_on_cpu(draw: random.Random, planted: bool) -> None:
    """A wide network in double precision on a CPU; single would do."""
    torch_threads()
    move(copper(), learned(width=900, dtype="float64" if planted else "float32"), 220)


class LoadedAgain(Learned):
    """Loads its weights in each call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        import torch

        file = io.BytesIO()
        torch.save(self.model.state_dict(), file)
        self.file = file.getvalue()

    def after(self, positions: Any) -> None:
        self.load_weights()

    def load_weights(self) -> None:
        import torch

        self.model.load_state_dict(torch.load(io.BytesIO(self.file), weights_only=True))


@case("torch-model-loaded-in-each-call", places=("load_weights",), saving=True, **TORCH)
def torch_model_loaded_in_each_call(draw: random.Random, planted: bool) -> None:
    """The weights are read again in each call."""
    torch_threads()
    move(copper(), (LoadedAgain if planted else Learned)(width=600), 250)


class SlowDispersion(Pairs):
    """A weak attraction, pair by pair in Python."""

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        positions = self.atoms.positions.tolist()
        for first in positions:
            for second in positions:
                sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
        self.results["energy"] *= 1e-3
        self.results["forces"] *= 1e-3


@case("torch-slow-term-in-a-sum", places=("SlowDispersion",), saving=True, **TORCH)
def torch_slow_term_in_a_sum(draw: random.Random, planted: bool) -> None:
    """A dispersion term inside a sum takes most of the call."""
    torch_threads()
    terms = [learned(), SlowDispersion() if planted else Pairs()]
    if not planted:
        terms[1].depth = 4e-4
    move(copper(), SumCalculator(terms), 250)


class AtomByAtom(Learned):
    """Differentiates the energy of each atom alone."""

    def after(self, positions: Any) -> None:
        self.differentiate_atom_by_atom(positions)

    def differentiate_atom_by_atom(self, positions: Any) -> None:
        import torch

        energy = self.energy(positions)
        for atom in range(len(positions)):
            (gradient,) = torch.autograd.grad(energy, positions, retain_graph=True)
            self.results["forces"][atom] = -gradient[atom].double().numpy()


@case("torch-backward-atom-by-atom", places=("differentiate_atom_by_atom",), saving=True, **TORCH)
def torch_backward_atom_by_atom(draw: random.Random, planted: bool) -> None:
    """The force of each atom has a backward pass of its own."""
    torch_threads()
    move(copper(), AtomByAtom() if planted else learned(), 60)


@case(
    "torch-anomaly-detection",
    "debugging-aids",
    places=("anomaly", "traceback", "format_stack"),
    saving=True,
    **TORCH,
)
def torch_anomaly_detection(draw: random.Random, planted: bool) -> None:
    """A debugging switch of autograd was left on."""
    torch = torch_threads()
    torch.autograd.set_detect_anomaly(planted)
    move(copper(), learned(), 300)


class SmallEinsums(Learned):
    """Contracts the features of each pair alone."""

    batched = False

    def after(self, positions: Any) -> None:
        import torch

        vectors = positions.detach().repeat(40, 1)[:1200]
        tensor = torch.ones(4, 3, dtype=self.dtype)
        if self.batched:
            torch.einsum("mi,ni->nm", tensor, vectors)
        else:
            for vector in vectors:
                torch.einsum("mi,i->m", tensor, vector)


@case("torch-einsum-storm", "tiny-contraction-storm", saving=True, **TORCH)
def torch_einsum_storm(draw: random.Random, planted: bool) -> None:
    """Each pair has an einsum of its own; the twin does all of them in one."""
    torch_threads()
    calculator = SmallEinsums()
    calculator.batched = not planted
    move(copper(), calculator, 60 if planted else 250)


class ManyTensors(Learned):
    """Makes a tensor of each vector."""

    def after(self, positions: Any) -> None:
        self.convert_each_vector()

    def convert_each_vector(self) -> None:
        import torch

        for _ in range(25):
            self.kept = [torch.tensor(vector) for vector in self.atoms.positions]


@case("torch-conversion-storm", "conversion", places=("convert_each_vector",), saving=True, **TORCH)
def torch_conversion_storm(draw: random.Random, planted: bool) -> None:
    """Every vector becomes a tensor of its own."""
    torch_threads()
    move(copper(), ManyTensors() if planted else learned(), 200)


class KeepsTensors(Learned):
    """Keeps the features of each call."""

    keeps = True

    def after(self, positions: Any) -> None:
        import torch

        self.history: list[Any] = getattr(self, "history", [])
        features = torch.ones(5000) * len(self.history)
        if self.keeps:
            self.history.append(features)


@case("torch-tensors-kept", "host-growth", **TORCH)
def torch_tensors_kept(draw: random.Random, planted: bool) -> None:
    """A tensor of 20 kB stays in a list in each call."""
    torch_threads()
    calculator = KeepsTensors()
    calculator.keeps = planted
    move(copper(), calculator, 900)


@case("torch-threads-and-a-neighbour", "contention", also=("oversubscription",), **TORCH)
def torch_threads_and_a_neighbour(draw: random.Random, planted: bool) -> None:
    """Two threads of torch, while other programs keep both processors busy; the twin has one, alone."""
    torch_threads(2 if planted else 1)
    from tests.diagnosis.live.neighbours import busy_programs

    calculator = Learned(width=700)
    with busy_programs(2 if planted else 0):
        move(copper(), calculator, 200)


# -- unsound ----------------------------------------------------------------------------------------


@case("torch-left-in-training", "training-mode", also=("energy-drift",), **TORCH)
def torch_left_in_training(draw: random.Random, planted: bool) -> None:
    """Dropout was left on: the forces of a model in training mode are random."""
    torch_threads()
    calculator = StrongNetwork(dropout=0.3)
    if not planted:
        calculator.model.eval()
    move(copper(), calculator, 500, step=3.0)


class StrongNetwork(Learned):
    """The network gives a good part of the energy."""

    def energy(self, positions: Any) -> Any:
        return super().energy(positions) + 1.5 * super().energy(positions)


@case(
    "torch-half-precision",
    "energy-drift",
    also=("exploded", "reduced-precision", "stale", "temperature-off"),
    **TORCH,
)
def torch_half_precision(draw: random.Random, planted: bool) -> None:
    """Distances and forces in bfloat16, three digits."""
    torch_threads()
    move(copper(), learned(dtype="bfloat16" if planted else "float32"), 500, step=3.0)


class Detached(Learned):
    """The graph is cut before the forces are taken: they are all 0."""

    def after(self, positions: Any) -> None:
        self.results["forces"] *= 0.0


@case("torch-graph-cut", "frozen", also=("stale", "energy-drift"), **TORCH)
def torch_graph_cut(draw: random.Random, planted: bool) -> None:
    """A `detach` in front of the backward pass: the forces are 0, the energy is right."""
    torch_threads()
    move(copper(), Detached() if planted else learned(), 250)


class RootOfZero(Learned):
    """The gradient of a distance of 0 is not a number, from some geometry on."""

    number = 0

    def after(self, positions: Any) -> None:
        import torch

        self.number += 1
        if self.number > 200:
            square = (positions[0] * 0.0).pow(2).sum()
            (gradient,) = torch.autograd.grad(torch.sqrt(square), positions)
            self.results["forces"] += gradient.double().numpy()


@case("torch-root-of-zero", "non-finite", **TORCH)
def torch_root_of_zero(draw: random.Random, planted: bool) -> None:
    """The square root of a distance of 0 has no gradient: forces become NaN."""
    torch_threads()
    move(copper(), RootOfZero() if planted else learned(), 400)


@case("torch-forces-in-other-units", "forces-not-gradient", also=("temperature-off", "exploded"), **TORCH)
def torch_forces_in_other_units(draw: random.Random, planted: bool) -> None:
    """Forces in kcal/mol/A under a thermostat in eV/A."""
    torch_threads()
    calculator = InOtherUnits() if planted else learned()
    options = {"temperature_K": 300, "friction": 0.01 / FS, "rng": np.random.RandomState(0)}
    move(copper(), calculator, 400, Langevin, **options)


class InOtherUnits(Learned):
    """Gives forces in kcal/mol/A."""

    def after(self, positions: Any) -> None:
        self.results["forces"] *= 23.06
