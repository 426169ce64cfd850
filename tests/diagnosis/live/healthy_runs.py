"""Runs that work as they should: no rule may call anything in them a cost, or wrong."""

from __future__ import annotations

import mmap
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator
from ase.filters import FrechetCellFilter
from ase.io import Trajectory
from ase.md import MDLogger
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE
from ase.vibrations import Vibrations
from tests.diagnosis.case import case
from tests.diagnosis.live.driver_faults import Quick, band
from tests.diagnosis.live.program_faults import Program, square
from tests.diagnosis.live.workloads import (
    FS,
    AskedOnly,
    Pairs,
    copper,
    learned,
    move,
    recorded,
    shared_run,
    working,
)

from instrumented_calc import ProfiledCalculator

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}
TORCH = {"library": "torch", **LIVE}


@case("healthy-learned-potential", **TORCH)
def healthy_learned_potential(draw: random.Random, planted: bool) -> None:
    move(copper(), learned(), 350)


@case("healthy-learned-potential-langevin", **TORCH)
def healthy_learned_potential_langevin(draw: random.Random, planted: bool) -> None:
    options = {"temperature_K": 300, "friction": 0.01 / FS, "rng": np.random.RandomState(0)}
    move(copper(), learned(width=300), 300, Langevin, **options)


@case("healthy-learned-relaxation", **TORCH)
def healthy_learned_relaxation(draw: random.Random, planted: bool) -> None:
    atoms = copper(kelvin=0)
    atoms.rattle(0.1, seed=0)
    with recorded(learned(width=300), 150) as atoms.calc:
        FIRE(atoms, logfile=None).run(fmax=1e-5, steps=150)


@case("healthy-learned-sum", **TORCH)
def healthy_learned_sum(draw: random.Random, planted: bool) -> None:
    weak = Pairs()
    weak.depth = 1e-3
    move(copper(), SumCalculator([learned(width=400), weak]), 300)


@case("healthy-learned-large", **TORCH)
def healthy_learned_large(draw: random.Random, planted: bool) -> None:
    move(copper(3), learned(width=500), 80)


@case("healthy-emt-large", **LIVE)
def healthy_emt_large(draw: random.Random, planted: bool) -> None:
    move(copper(4), EMT(), 40)


@case("healthy-log-and-trajectory", **LIVE)
def healthy_log_and_trajectory(draw: random.Random, planted: bool) -> None:
    atoms = copper(2)

    def observe(dynamics: Any) -> None:
        dynamics.attach(MDLogger(dynamics, atoms, "md.log"), interval=20)
        dynamics.attach(Trajectory("md.traj", "w", atoms).write, interval=20)

    move(atoms, EMT(), 300, observe=observe)


@case("healthy-barostat", **LIVE)
def healthy_barostat(draw: random.Random, planted: bool) -> None:
    options = {"temperature_K": 300, "pressure_au": 0.0, "tdamp": 100 * FS, "pdamp": 1000 * FS}
    move(copper(), EMT(), 250, IsotropicMTKNPT, **options)


@case("healthy-cell-relaxation", **LIVE)
def healthy_cell_relaxation(draw: random.Random, planted: bool) -> None:
    atoms = copper(kelvin=0)
    atoms.rattle(0.1, seed=0)
    with recorded(EMT(), 80) as atoms.calc:
        BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4, steps=80)


@case("healthy-band", **LIVE)
def healthy_band(draw: random.Random, planted: bool) -> None:
    band(shared=False, calculator=AskedOnly, images=6, steps=60)


@case("healthy-vibrations", **LIVE)
def healthy_vibrations(draw: random.Random, planted: bool) -> None:
    atoms = molecule("C6H6")
    calculator = AskedOnly()
    calculator.bond = 1.4
    with recorded(calculator, 72) as atoms.calc:
        Vibrations(atoms).run()


@case("healthy-threads-of-lanes", **LIVE)
def healthy_threads_of_lanes(draw: random.Random, planted: bool) -> None:
    with shared_run(AskedOnly(), 4 * 60) as first:

        def run(number: int) -> None:
            atoms = copper(seed=number)
            atoms.calc = ProfiledCalculator(AskedOnly()) if number else first
            VelocityVerlet(atoms, 2 * FS).run(60)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))


@case("healthy-replicas-in-turn", **LIVE)
def healthy_replicas_in_turn(draw: random.Random, planted: bool) -> None:
    replicas = [copper(seed=seed) for seed in range(3)]
    with shared_run(AskedOnly(), 300) as first:
        for number, each in enumerate(replicas):
            each.calc = ProfiledCalculator(AskedOnly()) if number else first
        runs = [VelocityVerlet(each, 2 * FS) for each in replicas]
        for _ in range(100):
            for each in runs:
                each.run(1)


@case("healthy-pool-that-is-kept", **LIVE)
def healthy_pool_that_is_kept(draw: random.Random, planted: bool) -> None:
    pool = multiprocessing.get_context("fork").Pool(2)
    move(copper(), working(lambda atoms: pool.map(square, [atoms.positions] * 2)), 350)
    pool.terminate()


@case("healthy-program", **LIVE)
def healthy_program(draw: random.Random, planted: bool) -> None:
    command = "awk 'BEGIN{for(i=0;i<700000;i++)s+=i}'"
    move(copper(), Program(command=command), 50)


@case("healthy-network-in-numpy", **LIVE)
def healthy_network_in_numpy(draw: random.Random, planted: bool) -> None:
    rng = np.random.default_rng(0)
    features, *layers = (rng.normal(size=(200, 200)) for _ in range(5))

    def work(_: Atoms) -> None:
        found = features
        for layer in layers:
            found = np.tanh(np.einsum("na,ab->nb", found, layer, optimize=True))

    move(copper(), working(work), 250)


@case("healthy-descriptor-by-tensordot", **LIVE)
def healthy_descriptor_by_tensordot(draw: random.Random, planted: bool) -> None:
    rng = np.random.default_rng(0)
    tensor, vectors = rng.normal(size=(14, 60, 20)), rng.normal(size=(60, 20, 12))
    move(copper(), working(lambda _: [np.tensordot(tensor, vectors, 2) for _ in range(20)]), 250)


@case("healthy-very-quick-calculator", **LIVE)
def healthy_very_quick_calculator(draw: random.Random, planted: bool) -> None:
    move(copper(), Quick(), 5_000)


@case("healthy-mapped-file", **LIVE)
def healthy_mapped_file(draw: random.Random, planted: bool) -> None:
    """Pages of a mapped file come in step by step: they can be taken away again."""
    path, size = Path("weights"), 4096
    path.write_bytes(bytes(size * 2100))
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    numbers = iter(range(2100))
    move(copper(), working(lambda _: pages[size * next(numbers)]), 1000)


@case("healthy-sixty-steps", **LIVE)
def healthy_sixty_steps(draw: random.Random, planted: bool) -> None:
    kept: list[Any] = []
    move(copper(3), working(lambda _: kept.append(np.ones(2000))), 60)


@case("healthy-slow-first-call", **LIVE)
def healthy_slow_first_call(draw: random.Random, planted: bool) -> None:
    """The first call takes 100 ms of some seconds."""
    numbers = iter(range(10**6))
    move(copper(), working(lambda _: time.sleep(0.0 if next(numbers) else 0.1)), 500)


@case("healthy-different-structures", **LIVE)
def healthy_different_structures(draw: random.Random, planted: bool) -> None:
    """Single points of structures of different sizes, with stress."""
    with recorded(EMT(), 200) as calculator:
        for seed in range(200):
            atoms = copper(1 + seed % 3, seed=seed)
            atoms.rattle(0.05, seed=seed)
            atoms.calc = calculator
            atoms.get_stress()
            atoms.get_forces()


@case("healthy-sleeping-program", **LIVE)
def healthy_sleeping_program(draw: random.Random, planted: bool) -> None:
    """A calculator that waits for a remote server: no processor is busy."""
    move(copper(), AskedOnly(), 300)


@case("healthy-light-observer", **LIVE)
def healthy_light_observer(draw: random.Random, planted: bool) -> None:
    atoms, energies = copper(), []
    observe = lambda dyn: dyn.attach(lambda: energies.append(atoms.get_potential_energy()), 1)  # noqa: E731
    move(atoms, EMT(), 300, observe=observe)
