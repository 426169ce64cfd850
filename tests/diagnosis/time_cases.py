"""Where the time of a run goes: lists, observers, collections, threads, the first call."""

from __future__ import annotations

import gc
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.io import write
from ase.neighborlist import neighbor_list
from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import Springs, lattice, simulate
from threadpoolctl import threadpool_limits

from instrumented_calc.capture.run import housekeeping, stalls

if TYPE_CHECKING:
    import random

    from ase import Atoms
    from ase.md.md import MolecularDynamics


class Pairs(Calculator):
    """Repulsion of close pairs, with a neighbour list that is made at every call or has a skin.

    Args:
        cutoff: Radius, A.
        skin: How much more the list holds, A; 0: it is made at every call.
    """

    implemented_properties = ("energy", "forces")

    def __init__(self, cutoff: float, skin: float) -> None:
        super().__init__()
        self.cutoff, self.skin = cutoff, skin
        self.made_at: np.ndarray | None = None

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        positions = self.atoms.positions
        # Two atoms that approach each other by half the skin each are just in the list.
        if self.made_at is None or np.linalg.norm(positions - self.made_at, axis=1).max() >= self.skin / 2:
            self.made_at = positions.copy()
            self.first, self.second, self.shifts = neighbor_list("ijS", self.atoms, self.cutoff + self.skin)
        time.sleep(0.004)  # the time of a larger model
        vectors = positions[self.second] - positions[self.first] + self.shifts @ self.atoms.cell.array
        distances = np.linalg.norm(vectors, axis=1)
        overlap = np.clip(1 - distances / self.cutoff, 0, None)
        pulls = (-0.02 * overlap / distances)[:, None] * vectors
        forces = np.zeros_like(positions)
        np.add.at(forces, self.first, pulls)
        self.results = {"energy": float(0.005 * self.cutoff * (overlap**2).sum()), "forces": forces}


@case("list-made-every-step", "neighbour-list", saving=True, busy=True)
def list_made_every_step(draw: random.Random, planted: bool) -> None:
    """The neighbour list is made anew at every call, although hardly anything has moved."""
    simulate(lattice(draw, 125), Pairs(draw.uniform(5.0, 6.0), 0.0 if planted else 1.5), 350)


class OnlyWhatIsAsked(Springs):
    """Calculates one property at a time, at the full price."""

    def answer(self, energy: float, forces: np.ndarray, properties: Any) -> dict[str, Any]:
        everything = super().answer(energy, forces, properties)
        wanted = {"energy", "forces"} if "forces" in properties else set(properties)
        return {name: everything[name] for name in wanted}


@case("calculated-twice", "unchanged-atoms", saving=True)
def calculated_twice(draw: random.Random, planted: bool) -> None:
    """A logger asks for the stress, which the calculator did not compute with the forces."""
    atoms = lattice(draw)
    kind = OnlyWhatIsAsked if planted else Springs

    def observe(dynamics: MolecularDynamics) -> None:
        dynamics.attach(lambda: atoms.get_stress(), interval=1)  # noqa: PLW0108 - the calculator changes

    simulate(atoms, kind(draw.uniform(0.006, 0.009)), 250, observe)


@case("writer-every-ten-steps", "time-outside", numbers={"period_calls": 10}, saving=True)
def writer_every_ten_steps(draw: random.Random, planted: bool) -> None:
    """A trajectory is written as text every ten steps."""
    atoms = lattice(draw, draw.randint(1500, 2000))

    def observe(dynamics: MolecularDynamics) -> None:
        if planted:
            dynamics.attach(lambda: write("md.extxyz", atoms, append=True), interval=10)

    simulate(atoms, Springs(0.005), 400, observe)


@case("collections-of-everything", "gc-pauses", saving=True, busy=True)
def collections_of_everything(draw: random.Random, planted: bool) -> None:
    """A script collects garbage periodically, and the collector walks over a large structure."""
    atoms = lattice(draw)
    structure = [{"number": number, "next": []} for number in range(draw.randint(60_000, 120_000))]
    every = draw.randint(15, 25)
    gc.collect()
    if not planted:
        gc.freeze()
    simulate(atoms, Springs(0.004, lambda number: None if number % every else gc.collect()), 600)
    assert structure


@case("too-many-threads", "oversubscription", busy=True)
def too_many_threads(draw: random.Random, planted: bool) -> None:
    """A process that is bound to one processor multiplies matrices with as many threads as there are."""
    atoms = lattice(draw)
    matrix = np.random.default_rng(draw.randrange(2**32)).normal(size=(250, 250))
    os.sched_setaffinity(0, {draw.choice(sorted(os.sched_getaffinity(0)))})
    with threadpool_limits(draw.randint(2, 4) if planted else 1):
        simulate(atoms, Springs(0.004, lambda _: matrix @ matrix), 200)


@case("slow-first-call", "warm-up")
def slow_first_call(draw: random.Random, planted: bool) -> None:
    """The first call builds a cache for the others."""
    seconds = draw.uniform(0.3, 0.6)
    work = (lambda number: time.sleep(0.0 if number else seconds)) if planted else None
    simulate(lattice(draw), Springs(0.005, work), 300)


@case("stall", "stall")
def stall(draw: random.Random, planted: bool) -> None:
    """One call does not end for a long time."""
    stalls.SHORTEST_STALL_NS = housekeeping.SHORTEST_STALL_NS = 600_000_000
    when, seconds = draw.randint(100, 200), draw.uniform(1.5, 2.0)
    work = (lambda number: time.sleep(seconds if number == when else 0.0)) if planted else None
    simulate(lattice(draw), Springs(0.005, work), 300)


def fcc(draw: random.Random) -> Atoms:
    """Return some copper."""
    from ase.build import bulk  # noqa: PLC0415 - loads much

    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    rng = np.random.default_rng(draw.randrange(2**32))
    atoms.set_momenta(rng.normal(0, 1.5, (len(atoms), 3)))
    return atoms
