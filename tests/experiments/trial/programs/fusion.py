"""A model of torch that does little work on each of many large tensors: torch.compile fuses its loops."""

import torch
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

WIDTH, STEPS = 300_000, 20


class FixedPoint(torch.nn.Module):
    """Steps towards a fixed point, for each number on its own."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(WIDTH, dtype=torch.float64))

    def forward(self, state):
        for _ in range(STEPS):
            state = torch.sqrt(self.weight * state + 1)
        return state


class Network(EMT):
    """Adds a small energy from a model."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = FixedPoint()

    @torch.no_grad()
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        given = torch.linspace(0, 1, WIDTH, dtype=torch.float64)
        self.results["energy"] += float(self.model(given).mean()) * 1e-3


calculator = Network()
dynamics(copper(1), calculator).run(100_000)
