"""A descriptor contracted with one einsum of three operands, without an order of pairs."""

import numpy as np
from ase.calculators.emt import EMT
from pair_potential import copper, dynamics


class Descriptor(EMT):
    """Adds a small energy from a contraction that takes most of the call."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        rng = np.random.default_rng(0)
        density = rng.random((20, 30, 40)) * self.results["energy"] * 1e-9
        left, right = rng.random((30, 30)), rng.random((40, 20))
        self.results["energy"] += np.einsum("ijk,jl,km->ilm", density, left, right).sum() * 1e-3


dynamics(copper(1), Descriptor()).run(100_000)
