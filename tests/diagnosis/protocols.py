"""Ways to sample whose conditions change on purpose, as short healthy simulations: nothing may accuse them.

Quenches and annealing, trial moves of Monte Carlo, biases that grow, exothermic starts, calculators that are
exchanged or trained again: what is out of bounds in a simulation of equilibrium is wanted here.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE
from tests.diagnosis.simulations import FS, Pairs, crystal, heated, langevin, run

from instrumented_calc import ProfiledCalculator, profiled, recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase.md.langevin import Langevin

PROTOCOLS: dict[str, Callable[[], None]] = {}


def protocol(script: Callable[[], None]) -> Callable[[], None]:
    """Enter a simulation."""
    PROTOCOLS[script.__name__] = script
    return script


def thermostat(atoms: Atoms, kelvin: float, friction: float = 0.02) -> Langevin:
    """Return a Langevin integrator with a step of 2 fs."""
    options = langevin(kelvin, friction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about `fixcm`
        return options.pop("driver")(atoms, 2 * FS, **options)


# -- targets that change ----------------------------------------------------------------------------


@protocol
def a_quench_that_begins_late() -> None:
    atoms = crystal(2000)
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        dynamics = thermostat(atoms, 2000, 0.005)
        dynamics.run(600)
        dynamics.set_temperature(temperature_K=300)
        dynamics.run(60)


@protocol
def an_annealing_that_the_thermostat_hardly_follows() -> None:
    atoms = crystal(3000)
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        dynamics = thermostat(atoms, 3000, 0.01)
        for kelvin in np.geomspace(3000, 10, 30):
            dynamics.set_temperature(temperature_K=kelvin)
            dynamics.run(20)


@protocol
def replicas_that_exchange_their_targets() -> None:
    replicas, kelvins = [crystal(300), crystal(600)], [300.0, 600.0]
    for each in replicas:
        each.calc = ProfiledCalculator(Pairs(), summary=False)
    runs = [thermostat(*each) for each in zip(replicas, kelvins, strict=True)]
    for _ in range(10):
        for dynamics, kelvin in zip(runs, kelvins, strict=True):
            dynamics.set_temperature(temperature_K=kelvin)
            dynamics.run(20)
        kelvins.reverse()
    recording(replicas[0].calc).run.close()


# -- trial moves ------------------------------------------------------------------------------------


@protocol
def insertions_at_random_places() -> None:
    rng = np.random.RandomState(3)
    gas = Atoms("Ar8", rng.uniform(0, 20, (8, 3)), cell=[20] * 3, pbc=True)
    with profiled(LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0), "run.jsonl", summary=False) as calc:
        for _ in range(150):
            trial = gas.copy()
            if rng.rand() < 0.5 and len(trial) > 6:
                del trial[rng.randint(len(trial))]
            else:
                trial += Atoms("Ar", [rng.uniform(0, 20, 3)])
            trial.calc = calc
            energy = trial.get_potential_energy()
            if energy < 1 and rng.rand() < 0.5:
                gas = trial


@protocol
def exchanges_of_atoms() -> None:
    rng, atoms = np.random.RandomState(3), crystal(0.1)
    pairs = Pairs(lambda _, asked, results: results.update(energy=results["energy"] + weigh(asked)))
    with profiled(pairs, "run.jsonl", summary=False) as atoms.calc:
        atoms.symbols[:16] = "Au"
        energy = atoms.get_potential_energy()
        for _ in range(150):
            before = atoms.numbers.copy()
            places = rng.randint(16), 16 + rng.randint(16)
            atoms.numbers[list(places)] = before[list(places[::-1])]
            found = atoms.get_potential_energy()
            if rng.rand() < np.exp(min(0.0, (energy - found) / 0.1)):
                energy = found
            else:
                atoms.numbers[:] = before


def weigh(atoms: Atoms) -> float:
    """Return an energy that depends on where the elements are."""
    return float(1e-3 * (atoms.numbers * atoms.positions[:, 0]).sum())


@protocol
def trajectories_that_are_rejected() -> None:
    rng, atoms = np.random.RandomState(3), crystal(300)
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        dynamics = VelocityVerlet(atoms, 3 * FS)
        for seed in range(30):
            before = atoms.positions.copy()
            heated(atoms, 300, seed)
            dynamics.run(12)
            if rng.rand() > 0.7:
                atoms.positions[:] = before


# -- energy that is released or added ---------------------------------------------------------------


@protocol
def a_cluster_that_bursts() -> None:
    run(heated(Atoms("Cu8", 2.0 * np.array(list(np.ndindex(2, 2, 2)))), 10), Pairs(), 500, step=1.0)


@protocol
def a_bias_that_grows() -> None:
    run(crystal(300), GrowingBias(), 600, **langevin())


class GrowingBias(Pairs):
    """Every 25 calls a hill is added to the energy along one distance, as metadynamics does."""

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        away = self.atoms.positions[1] - self.atoms.positions[0]
        length = float(np.linalg.norm(away))
        self.hills: list[float] = getattr(self, "hills", [])
        if self.number % 25 == 0:
            self.hills.append(length)
        apart = length - np.array(self.hills)
        heights = 0.05 * np.exp(-(apart**2) / 0.02)
        pull = (heights * apart / 0.01).sum() * away / length
        self.results["energy"] += float(heights.sum())
        self.results["forces"][:2] += [-pull, pull]


@protocol
def a_crystal_that_is_stretched() -> None:
    atoms = crystal(300)
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        dynamics = thermostat(atoms, 300)
        for _ in range(15):
            dynamics.run(40)
            atoms.set_cell(atoms.cell * [1.03, 1, 1], scale_atoms=True)


# -- calculators ------------------------------------------------------------------------------------


@protocol
def a_potential_that_is_trained_again() -> None:
    atoms, pairs = crystal(300), Pairs()
    with profiled(pairs, "run.jsonl", summary=False) as atoms.calc:
        dynamics = thermostat(atoms, 300)
        for _ in range(6):
            dynamics.run(60)
            pairs.depth += 0.01
            atoms.calc.reset()


@protocol
def energies_of_three_digits() -> None:
    def rounded(_: int, __: Atoms, results: dict[str, Any]) -> None:
        results["energy"] = round(results["energy"], 3)

    run(heated(Atoms("Cu3", [[0, 0, 0], [0, 0, 2.7], [0, 2.4, 1.3]]), 50), Pairs(rounded), 400, step=1.0)


@protocol
def dynamics_and_relaxations_in_turn() -> None:
    atoms = crystal(1000)
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        for seed in range(6):
            heated(atoms, 1000, seed)
            VelocityVerlet(atoms, 2 * FS).run(25)
            FIRE(atoms, logfile=None).run(fmax=0.1, steps=40)
