"""Eight threads per processor for small tensors, whatever the machine has."""

import os

import torch
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics

NUMBER = 8 * (os.cpu_count() or 1)
torch.set_num_threads(NUMBER)


class Layers(EMT):
    """Adds a small energy from many functions of a small tensor."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        state = torch.linspace(0, 1, 300 * 300, dtype=torch.float64)
        for _ in range(20):
            state = torch.tanh(state) + 0.1
        self.results["energy"] += float(state.mean()) * 1e-3


dynamics(copper(1), Layers()).run(100_000)
