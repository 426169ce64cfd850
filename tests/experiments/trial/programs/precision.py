"""A model of torch built in double precision. Its tensors are too small for several threads."""

import torch
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

WIDTH, LAYERS = 30_000, 60


class Layer(torch.nn.Module):
    """A layer of weights of its own."""

    def __init__(self, dtype):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(WIDTH, dtype=dtype))

    def forward(self, state):
        return torch.sigmoid(self.weight * state) + 0.5


class Network(EMT):
    """Adds a small energy from a network."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.dtype = torch.float64
        self.model = torch.nn.Sequential(*(Layer(self.dtype) for _ in range(LAYERS)))

    @torch.no_grad()
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        given = torch.linspace(0, 1, WIDTH, dtype=self.dtype)
        self.results["energy"] += float(self.model(given).mean()) * 1e-3


dynamics(copper(1), Network()).run(100_000)
