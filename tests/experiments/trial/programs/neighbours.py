"""Most of each call is ASE's neighbour list, in Python."""

from pair_potential import PairPotential, argon, dynamics

dynamics(argon(2), PairPotential()).run(100_000)
