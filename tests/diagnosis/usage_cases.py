"""How a calculator is used: too often, by the wrong object, at intervals, or ever more slowly."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.md.nptberendsen import NPTBerendsen
from ase.optimize import BFGS, LBFGS
from tests.diagnosis.case import case
from tests.diagnosis.molecular_dynamics import Springs, lattice, simulate

from instrumented_calc import ProfiledCalculator, profiled

if TYPE_CHECKING:
    import random

    from ase.md.md import MolecularDynamics


@case("slow-at-intervals", "periodic-calls")
def slow_at_intervals(draw: random.Random, planted: bool) -> None:
    """Every so many calls something is rebuilt."""
    every, seconds = draw.choice([40, 60, 100]), draw.uniform(0.1, 0.2)
    work = (lambda number: time.sleep(0.0 if number % every else seconds)) if planted else None
    simulate(lattice(draw), Springs(0.005, work), 900)


@case("one-long-call", "long-calls")
def one_long_call(draw: random.Random, planted: bool) -> None:
    """One call takes most of the run, but less than a minute: nothing watches for it."""
    when, seconds = draw.randint(100, 200), draw.uniform(0.8, 0.95)
    work = (lambda number: time.sleep(seconds if number == when else 0.0)) if planted else None
    simulate(lattice(draw), Springs(0.005, work), 300)


@case("barostat-calculates-twice", "evaluations-per-step", numbers={"reason": "barostat"})
def barostat_calculates_twice(draw: random.Random, planted: bool) -> None:
    """Berendsen's barostat needs two calculations per step; plain MD one."""
    atoms = lattice(draw)
    if not planted:
        simulate(atoms, Springs(0.006), 200)
        return
    with profiled(Springs(0.006), "run.jsonl", summary=False) as atoms.calc:
        pressure = {"pressure_au": 1.01325 * units.bar, "compressibility_au": 4.57e-5 / units.bar}
        begun = time.perf_counter()
        NPTBerendsen(atoms, 2 * units.fs, temperature_K=20, **pressure).run(200)
        Path("ms_per_step").write_text(str(1e3 * (time.perf_counter() - begun) / 200))


@case("calculator-made-again", "evaluations-per-step", numbers={"reason": "new calculators"})
def calculator_made_again(draw: random.Random, planted: bool) -> None:
    """An observer makes a calculator for each of its energies; the twin asks the one that is there."""
    atoms = lattice(draw)

    def observe(dynamics: MolecularDynamics) -> None:
        def energy() -> None:
            asked = atoms.copy()
            asked.calc = ProfiledCalculator(Springs(0.006)) if planted else atoms.calc
            (asked if planted else atoms).get_potential_energy()

        dynamics.attach(energy, interval=1)

    kept = ProfiledCalculator(Springs(0.006))
    atoms.calc = kept
    from ase.md.verlet import VelocityVerlet  # noqa: PLC0415 - a run that is joined, not opened by `simulate`

    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    observe(dynamics)
    begun = time.perf_counter()
    dynamics.run(200)
    Path("ms_per_step").write_text(str(1e3 * (time.perf_counter() - begun) / 200))


@case("calculator-shared", "evaluations-per-step", numbers={"reason": "other structures"})
def calculator_shared(draw: random.Random, planted: bool) -> None:
    """A second structure uses the same calculator in each step."""
    atoms, other = lattice(draw, 27), lattice(draw, 8)
    calculator = Structures(0.006)

    def observe(dynamics: MolecularDynamics) -> None:
        def ask() -> None:
            other.calc = atoms.calc
            other.rattle(0.001, rng=np.random.default_rng(dynamics.nsteps))
            other.get_potential_energy()

        if planted:
            dynamics.attach(ask, interval=1)

    simulate(atoms, calculator, 200, observe)


@case("band-shares-calculator", "evaluations-per-step", numbers={"reason": "other geometries"})
def band_shares_calculator(draw: random.Random, planted: bool) -> None:
    """The images of a band share a calculator, and their energies are requested after all forces."""
    images = [lattice(draw, 8)]
    for _ in range(4):
        images.append(images[0].copy())
        images[-1].positions[0] += 0.1 * len(images)
    shared = ProfiledCalculator(Springs(0.004))
    for image in images:
        image.calc = shared if planted else ProfiledCalculator(Springs(0.004))
    begun = time.perf_counter()
    for _ in range(30):
        for image in images:
            image.positions += 0.001 * image.get_forces()
        forces = [image.get_forces() for image in images]
        assert len(forces) == len([image.get_potential_energy() for image in images])
    Path("ms_per_step").write_text(str(1e3 * (time.perf_counter() - begun) / 30))


@case("atoms-displaced-and-restored", "evaluations-per-step", numbers={"reason": "other geometries"})
def atoms_displaced_and_restored(draw: random.Random, planted: bool) -> None:
    """An observer displaces an atom for a difference of energies, and puts it back; the twin asks a copy."""
    atoms = lattice(draw)

    def observe(dynamics: MolecularDynamics) -> None:
        def difference() -> None:
            places = atoms.positions.copy()
            if planted:
                atoms.positions[0, 0] += 0.01
                atoms.get_potential_energy()
                atoms.positions[:] = places

        dynamics.attach(difference, interval=1)

    simulate(atoms, Springs(0.006), 100, observe)


class Structures(Springs):
    """Knows where the atoms of each structure belong."""

    homes: dict[int, Any]

    def calculate(self, *arguments: Any, **named: Any) -> None:
        atoms = arguments[0] if arguments else named["atoms"]
        self.homes = getattr(self, "homes", {})
        self.home = self.homes.setdefault(len(atoms), atoms.positions.copy())
        super().calculate(*arguments, **named)


@case("observer-moves-atoms", "evaluations-per-step", numbers={"reason": "moved atoms"})
def observer_moves_atoms(draw: random.Random, planted: bool) -> None:
    """An observer moves the atoms a little, and asks for their energy."""
    atoms = lattice(draw)

    def observe(dynamics: MolecularDynamics) -> None:
        def move() -> None:
            if planted:
                atoms.positions += 1e-5 * (1 + dynamics.nsteps % 2)
            atoms.get_potential_energy()

        dynamics.attach(move, interval=1)

    simulate(atoms, Springs(0.006), 200, observe)


@case("list-that-is-searched", "latency-drift", busy=True)
def list_that_is_searched(draw: random.Random, planted: bool) -> None:
    """Each call adds to a list and searches all of it; the twin's list has a limit."""
    kept: list[float] = []
    size = draw.randint(800, 1000)

    def work(number: int) -> None:
        kept.extend(float(each + number) for each in range(size))
        if not planted:
            del kept[:-size]
        for _ in range(1 if planted else 20):
            max(kept, key=abs)

    simulate(lattice(draw), Springs(0.012, work), 500)


@case("dense-optimizer", "time-outside", busy=True)
def dense_optimizer(draw: random.Random, planted: bool) -> None:
    """BFGS diagonalises a matrix of all coordinates in each step."""
    atoms = lattice(draw, draw.randint(90, 110))
    atoms.rattle(0.3, seed=draw.randrange(2**16))
    calculator = Springs(0.015)
    calculator.home = lattice(draw, len(atoms)).positions
    with profiled(calculator, "run.jsonl", summary=False) as atoms.calc:
        kind = BFGS if planted else LBFGS
        begun = time.perf_counter()
        optimizer = kind(atoms, logfile=None, maxstep=0.004)
        optimizer.run(fmax=1e-9, steps=80)
        Path("ms_per_step").write_text(str(1e3 * (time.perf_counter() - begun) / 80))
