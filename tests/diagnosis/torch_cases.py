"""Faults that only torch makes possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import Springs, lattice, simulate

if TYPE_CHECKING:
    import random

    import numpy as np


class Learned(Springs):
    """Adds a learned energy, and gives it as a result of its own."""

    keeps_graph = False

    def answer(self, energy: float, forces: np.ndarray, properties: Any) -> dict[str, Any]:
        import torch  # noqa: PLC0415 - the bench runs without it too

        if not hasattr(self, "model"):
            self.model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
            self.kept: list[Any] = []
        positions = torch.tensor(self.atoms.positions, dtype=torch.float32, requires_grad=True)
        learned = self.model(positions).sum()
        (gradient,) = torch.autograd.grad(learned, positions, retain_graph=self.keeps_graph)
        if not self.keeps_graph:
            learned = learned.detach()
        self.kept.append(learned)
        results = super().answer(energy, forces + 0.0 * gradient.numpy(), properties)
        return {**results, "learned_energy": learned}


@case("graph-kept", "graph-retained", library="torch")
def graph_kept(draw: random.Random, planted: bool) -> None:
    """Each step's energy is kept with the graph of its calculation."""
    import torch  # noqa: PLC0415 - the bench runs without it too

    torch.set_num_threads(1)
    calculator = Learned(0.001)
    calculator.keeps_graph = planted
    simulate(lattice(draw), calculator, 2000)


class Compiled(Springs):
    """Runs a compiled function over pairs, whose number may vary."""

    dynamic = False

    def calculate(self, *arguments: Any, **named: Any) -> None:
        import torch  # noqa: PLC0415 - the bench runs without it too

        if not hasattr(self, "compiled"):
            torch._dynamo.config.recompile_limit = 64
            self.compiled = torch.compile(
                lambda pairs: (pairs * pairs).sum(), backend="eager", dynamic=self.dynamic
            )
        number = 100 + (self.number // 20 if self.number > 60 else 0)
        self.compiled(torch.ones(number))
        super().calculate(*arguments, **named)


@case("recompiles", "recompiling", library="torch", busy=True)
def recompiles(draw: random.Random, planted: bool) -> None:
    """Every number of pairs is compiled anew; the twin marks it as dynamic."""
    import torch  # noqa: PLC0415 - the bench runs without it too

    torch.set_num_threads(1)
    calculator = Compiled(0.002)
    calculator.dynamic = not planted
    simulate(lattice(draw), calculator, 400)
