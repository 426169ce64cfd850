"""How MD, bands and optimizers use calculators: too often, by the wrong object, for the wrong property."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.build import bulk
from ase.md.nptberendsen import NPTBerendsen
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS, FIRE, LBFGS
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import FS, AskedOnly, Pairs, copper, move, recorded, shared_run, working

from instrumented_calc import ProfiledCalculator

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}
REPEATED = {"also": ("unchanged-atoms",)}


class Loads(AskedOnly):
    """Takes a while to be made, and 4 ms for a call."""

    def __init__(self) -> None:
        super().__init__()
        time.sleep(0.004)


@case("calculator-made-in-each-step", "evaluations-per-step", saving=True, **LIVE)
def calculator_made_in_each_step(draw: random.Random, planted: bool) -> None:
    """A loop gives the atoms a new calculator before each step: nothing is cached."""
    atoms = copper()
    with shared_run(Loads(), 220) as atoms.calc:
        dynamics = VelocityVerlet(atoms, 2 * FS)
        for _ in range(220):
            if planted:
                atoms.calc = ProfiledCalculator(Loads())  # noqa: PLW2901 - the fault
            dynamics.run(1)


@case("calculator-shared-by-two-runs", "evaluations-per-step", **REPEATED, **LIVE)
def calculator_shared_by_two_runs(draw: random.Random, planted: bool) -> None:
    """Two replicas advance in turn with one calculator: each forgets the other's results."""
    replicas = [copper(seed=seed) for seed in range(2)]
    with shared_run(AskedOnly(), 300) as calculator:
        for each in replicas:
            each.calc = calculator if planted else ProfiledCalculator(AskedOnly())
        runs = [VelocityVerlet(each, 2 * FS) for each in replicas]
        for _ in range(150):
            for each in runs:
                each.run(1)


def band(*, shared: bool, calculator: type[Pairs], images: int, steps: int) -> None:
    """Relax a band of a hopping vacancy."""
    first = copper(kelvin=0)
    del first[0]
    last = first.copy()
    last.positions[0] += [0.6, 0.6, 0]
    path = [first.copy() for _ in range(images - 1)] + [last]
    with shared_run(calculator(), steps) as one:
        for number, each in enumerate(path):
            each.calc = one if shared or not number else ProfiledCalculator(calculator())
        neb = NEB(path, allow_shared_calculator=True, method="improvedtangent")
        neb.interpolate()
        optimizer = FIRE(neb, logfile=None)

        def log() -> None:
            for each in path:
                each.get_potential_energy()

        optimizer.attach(log)
        optimizer.run(fmax=1e-6, steps=steps)


@case("band-with-a-shared-calculator", "unchanged-atoms", also=("evaluations-per-step",), saving=True, **LIVE)
def band_with_a_shared_calculator(draw: random.Random, planted: bool) -> None:
    """A band whose images share a calculator: each energy in the log is calculated again."""
    band(shared=planted, calculator=AskedOnly, images=6, steps=60)


@case("band-that-takes-longer-than-its-forces", "time-outside", places=("neb", "NEB", "mep"), **LIVE)
def band_that_takes_longer_than_its_forces(draw: random.Random, planted: bool) -> None:
    """The band's own work takes longer than that of a quick calculator; the twin's calculator is slow."""
    band(shared=False, calculator=Quick if planted else AskedOnly, images=25 if planted else 7, steps=50)


class Quick(Pairs):
    """Springs to places near a lattice, the same for all images: a call of some microseconds."""

    home: np.ndarray | None = None

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = ()) -> None:
        self.atoms = atoms.copy()
        if Quick.home is None:
            Quick.home = atoms.positions + np.random.default_rng(0).normal(0, 0.1, atoms.positions.shape)
        away = atoms.positions - Quick.home
        self.results = {"energy": float((away**2).sum()), "forces": -2 * away}


@case("calculator-alters-its-atoms", "evaluations-per-step", saving=True, **LIVE)
def calculator_alters_its_atoms(draw: random.Random, planted: bool) -> None:
    """A calculator shifts the atoms into the cell, so that each question finds other positions."""

    class Wraps(AskedOnly):
        def calculate(self, atoms: Any = None, *rest: Any, **named: Any) -> None:
            super().calculate(atoms, *rest, **named)
            if planted:
                atoms.positions += 1e-9 * (1 + self.number % 2)

    atoms = copper()
    observe = lambda dyn: dyn.attach(lambda: atoms.get_potential_energy(), 1)  # noqa: E731, PLW0108
    move(atoms, Wraps(), 250, observe=observe)


@case("labels-beside-the-dynamics", "evaluations-per-step", **LIVE)
def labels_beside_the_dynamics(draw: random.Random, planted: bool) -> None:
    """A thread labels frames with the same calculator while MD runs."""
    atoms, frames = copper(), [copper() for _ in range(300)]
    for seed, each in enumerate(frames):
        each.rattle(0.05, seed=seed)

    def label(calculator: Any) -> None:
        for each in frames:
            each.calc = calculator
            each.get_potential_energy()

    class Locked(AskedOnly):
        def calculate(
            self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = ()
        ) -> None:
            with lock:
                super().calculate(atoms, properties, system_changes)

    lock = threading.Lock()
    with shared_run(Locked(), 200) as atoms.calc:
        thread = threading.Thread(target=label, args=(ProfiledCalculator(Locked()),))
        if planted:
            thread.start()
        VelocityVerlet(atoms, 2 * FS).run(200)
        if planted:
            thread.join()


@case("every-other-call-fails", "calls-failing", also=("evaluations-per-step",), **LIVE)
def every_other_call_fails(draw: random.Random, planted: bool) -> None:
    """Three of four calls fail and are repeated by the script."""

    class Fails(Pairs):
        def calculate(self, *arguments: Any, **named: Any) -> None:
            super().calculate(*arguments, **named)
            time.sleep(0.003)
            if planted and self.number % 4:
                message = "no convergence"
                raise RuntimeError(message)

    atoms = copper()
    original = atoms.get_forces

    def get_forces(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except RuntimeError:
            return get_forces(*arguments, **named)

    atoms.get_forces = get_forces
    move(atoms, Fails(), 200)


@case("stress-in-the-log", "unchanged-atoms", also=("evaluations-per-step",), saving=True, **LIVE)
def stress_in_the_log(draw: random.Random, planted: bool) -> None:
    """The log asks for the stress in each step, which costs another calculation."""
    from ase.md import MDLogger

    atoms = copper()

    def observe(dynamics: Any) -> None:
        dynamics.attach(MDLogger(dynamics, atoms, "md.log", stress=planted), interval=1)

    move(atoms, AskedOnly(), 250, observe=observe)


@case("barostat-of-two-calculations", "evaluations-per-step", saving=True, **LIVE)
def barostat_of_two_calculations(draw: random.Random, planted: bool) -> None:
    """NPTBerendsen calculates twice per step; the twin's thermostat once."""

    class Everything(Pairs):
        def calculate(self, *arguments: Any, **named: Any) -> None:
            super().calculate(*arguments, **named)
            time.sleep(0.004)

    if planted:
        options = {"temperature_K": 300, "pressure_au": 0.0, "taut": 100 * FS, "taup": 3000 * FS}
        move(copper(), Everything(), 300, NPTBerendsen, compressibility_au=1.0, **options)
        return
    move(copper(), Everything(), 300)


@case("observer-repeats-the-calculation", "evaluations-per-step", also=("unchanged-atoms",), **LIVE)
def observer_repeats_the_calculation(draw: random.Random, planted: bool) -> None:
    """An observer clears the results to be sure that the energy is new."""
    atoms = copper()

    def energy() -> None:
        if planted:
            atoms.calc.results.clear()
        atoms.get_potential_energy()

    move(atoms, AskedOnly(), 250, observe=lambda dyn: dyn.attach(energy, interval=1))


@case(
    "optimizer-that-diagonalises",
    "time-outside",
    places=("eigh", "BFGS", "prepare_step", "bfgs"),
    saving=True,
    **LIVE,
)
def optimizer_that_diagonalises(draw: random.Random, planted: bool) -> None:
    """BFGS diagonalises a matrix of 576 x 576 in each step; the twin keeps a short history."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (4, 4, 3)
    atoms.rattle(0.15, seed=0)
    with recorded(Pairs(), 25) as atoms.calc:
        (BFGS if planted else LBFGS)(atoms, logfile=None, maxstep=0.02).run(fmax=1e-9, steps=25)


@case("optimizer-asked-every-step", "unchanged-atoms", also=("evaluations-per-step",), saving=True, **LIVE)
def optimizer_asked_every_step(draw: random.Random, planted: bool) -> None:
    """A script relaxes and asks for the stress after each step, which is calculated apart."""
    atoms = copper(kelvin=0)
    atoms.rattle(0.1, seed=1)
    with recorded(AskedOnly(), 120) as atoms.calc:
        optimizer = LBFGS(atoms, logfile=None, maxstep=0.01)
        optimizer.attach(lambda: planted and atoms.get_stress())
        optimizer.run(fmax=1e-9, steps=120)


@case("every-50th-call-rebuilds", "periodic-calls", saving=True, **LIVE)
def every_50th_call_rebuilds(draw: random.Random, planted: bool) -> None:
    """Every 50 calls something is rebuilt, in Python."""
    numbers = iter(range(10**6))

    def work(_: Atoms) -> None:
        if planted and next(numbers) % 50 == 49:
            sum(value * value for value in range(600_000))

    move(copper(), working(work), 800)


@case("one-call-of-three-seconds", "long-calls", also=("stall",), **LIVE)
def one_call_of_three_seconds(draw: random.Random, planted: bool) -> None:
    """A single call takes two thirds of the run."""
    numbers = iter(range(10**6))
    move(copper(), working(lambda _: time.sleep(3.0 if planted and next(numbers) == 200 else 0.001)), 350)
