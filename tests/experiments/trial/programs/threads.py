"""Eight threads per processor for small matrices, whatever the machine has."""

import os

NUMBER = 8 * (os.cpu_count() or 1)
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(NUMBER)

import numpy as np  # noqa: E402 - after the variables
from ase.calculators.emt import EMT  # noqa: E402 - as above
from pair_potential import copper, dynamics  # noqa: E402 - as above


class Layers(EMT):
    """Adds a small energy from many products of middling matrices."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        weights = np.random.default_rng(0).normal(size=(160, 160)) / 160
        state = np.eye(160)
        for _ in range(60):
            state = np.tanh(state @ weights)
        self.results["energy"] += float(state.sum()) * 1e-6


dynamics(copper(1), Layers()).run(100_000)
