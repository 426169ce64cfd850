"""Eight threads per processor for small matrix products, whatever the machine has."""

import os

import numpy as np
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics
from threadpoolctl import threadpool_limits

NUMBER = 8 * (os.cpu_count() or 1)
threadpool_limits(NUMBER)


class Layers(EMT):
    """Adds a small energy from many products of small matrices."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        weights = np.random.default_rng(0).normal(0, 0.1, (100, 100))
        state = np.eye(100) * self.results["energy"]
        for _ in range(20):
            state = np.tanh(state @ weights)
        self.results["energy"] += float(state.mean()) * 1e-3


dynamics(copper(1), Layers()).run(100_000)
