"""What people do with ASE beside MD of one structure: healthy runs whose driver or program needs its time."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.socketio import SocketClient, SocketIOCalculator
from ase.constraints import FixBondLengths, FixSymmetry
from ase.filters import UnitCellFilter
from ase.io import Trajectory, write
from ase.md import MDLogger
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.mep import DimerControl, MinModeAtoms, MinModeTranslate
from ase.optimize import BFGS, FIRE, LBFGS, GPMin
from ase.optimize.basin import BasinHopping
from ase.phonons import Phonons
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import FS, AskedOnly, Pairs, copper, move, recorded, working

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}


@case("healthy-small-molecule", **LIVE)
def healthy_small_molecule(draw: random.Random, planted: bool) -> None:
    """Three atoms are relaxed again and again: the optimizer takes longer than the potential."""
    with recorded(EMT(), 20) as calculator:
        for seed in range(20):
            atoms = molecule("H2O")
            atoms.rattle(0.05, seed=seed)
            atoms.calc = calculator
            BFGS(atoms, logfile=None).run(fmax=1e-3, steps=25)


@case("healthy-screening", **LIVE)
def healthy_screening(draw: random.Random, planted: bool) -> None:
    """Structures are built, relaxed for some steps, and written."""
    with recorded(EMT(), 40) as calculator:
        for number in range(40):
            metal = ("Cu", "Ag", "Au", "Ni", "Pd")[number % 5]
            atoms = bulk(metal, cubic=True) * (2, 2, 1 + number % 3)
            atoms.rattle(0.05, seed=number)
            atoms.calc = calculator
            LBFGS(atoms, logfile=None).run(fmax=1e-3, steps=5)
            write("screened.extxyz", atoms, append=True)


@case("healthy-single-points-of-files", **LIVE)
def healthy_single_points_of_files(draw: random.Random, planted: bool) -> None:
    """Frames of a file are labelled: reading and writing take as long as a quick potential."""
    frames = Trajectory("frames.traj", "w")
    for seed in range(150):
        frames.write(copper(seed=seed))
    frames.close()
    with recorded(EMT(), 150) as calculator:
        for atoms in Trajectory("frames.traj"):
            atoms.calc = calculator
            atoms.get_potential_energy()
            write("labelled.extxyz", atoms, append=True)


@case("healthy-equation-of-state", **LIVE)
def healthy_equation_of_state(draw: random.Random, planted: bool) -> None:
    with recorded(EMT(), 200) as calculator:
        for metal in ("Cu", "Ag", "Au", "Ni"):
            start = bulk(metal, cubic=True)
            for strain in np.linspace(0.94, 1.06, 50):
                atoms = start.copy()
                atoms.set_cell(start.cell * strain, scale_atoms=True)
                atoms.calc = calculator
                atoms.get_potential_energy()


@case("healthy-phonons", **LIVE)
def healthy_phonons(draw: random.Random, planted: bool) -> None:
    with recorded(EMT(), 24) as calculator:
        phonons = Phonons(bulk("Cu", cubic=True), calculator, supercell=(3, 3, 3), delta=0.02)
        phonons.run()
        phonons.read(acoustic=True)


@case("healthy-genetic-search", **LIVE)
def healthy_genetic_search(draw: random.Random, planted: bool) -> None:
    """A population of clusters is paired, mutated and relaxed, by the user's own code."""
    rng = np.random.default_rng(0)
    with recorded(EMT(), 40) as calculator:
        population: list[Atoms] = []
        for number in range(40):
            child = molecule("CH4")
            child.symbols = ["Cu"] * len(child)
            child.positions *= 2.2
            if len(population) > 1:
                first, second = rng.choice(len(population), 2, replace=False)
                mask = rng.random(len(child)) < 0.5
                child.positions[mask] = population[first].positions[mask]
                child.positions[~mask] = population[second].positions[~mask]
            child.rattle(0.2, seed=number)
            child.calc = calculator
            FIRE(child, logfile=None).run(fmax=0.1, steps=15)
            child.info["energy"] = child.get_potential_energy()
            population = sorted([*population, child], key=lambda each: each.info["energy"])[:10]
            write("population.extxyz", [each.copy() for each in population])


@case("healthy-basin-hopping", **LIVE)
def healthy_basin_hopping(draw: random.Random, planted: bool) -> None:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.pbc = False
    with recorded(EMT(), 15) as atoms.calc:
        hopping = BasinHopping(atoms, temperature=0.05, dr=0.2, fmax=0.2, logfile=None, trajectory=None)
        hopping.run(steps=15)


@case("healthy-langevin-logged", **LIVE)
def healthy_langevin_logged(draw: random.Random, planted: bool) -> None:
    """A line of the log in each step and a frame every ten, by choice."""
    atoms = copper()

    def observe(dynamics: Any) -> None:
        dynamics.attach(MDLogger(dynamics, atoms, "md.log", stress=False, peratom=True), interval=1)
        dynamics.attach(Trajectory("md.traj", "w", atoms).write, interval=10)

    options = {"temperature_K": 300, "friction": 0.01 / FS, "rng": np.random.RandomState(0)}
    move(atoms, EMT(), 400, Langevin, observe=observe, **options)


@case("healthy-first-call-of-a-second", **LIVE)
def healthy_first_call_of_a_second(draw: random.Random, planted: bool) -> None:
    """The model is loaded in the first call, and the next ones are still slower."""
    numbers = iter(range(10**6))
    move(copper(), working(lambda _: time.sleep({0: 1.0, 1: 0.2, 2: 0.1}.get(next(numbers), 0.001))), 600)


class PairsInPython(Calculator):
    """Lennard-Jones pairs of a cluster, in plain Python."""

    implemented_properties = ("energy", "forces")

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        places = self.atoms.positions.tolist()
        energy, forces = 0.0, [[0.0, 0.0, 0.0] for _ in places]
        for i, (x, y, z) in enumerate(places):
            for j in range(i):
                dx, dy, dz = x - places[j][0], y - places[j][1], z - places[j][2]
                squared = dx * dx + dy * dy + dz * dz
                sixth = (2.3**2 / squared) ** 3
                energy += 0.4 * (sixth * sixth - sixth)
                push = 0.4 * (12 * sixth * sixth - 6 * sixth) / squared
                for axis, away in enumerate((dx, dy, dz)):
                    forces[i][axis] += push * away
                    forces[j][axis] -= push * away
        self.results = {"energy": energy, "forces": np.array(forces)}


@case("healthy-potential-in-python", **LIVE)
def healthy_potential_in_python(draw: random.Random, planted: bool) -> None:
    atoms = copper()
    atoms.pbc = False
    move(atoms, PairsInPython(), 500)


@case("healthy-constrained-water", **LIVE)
def healthy_constrained_water(draw: random.Random, planted: bool) -> None:
    """Rigid molecules: RATTLE of ASE iterates in Python."""
    water = molecule("H2O")
    atoms = water.copy()
    for number in range(1, 8):
        other = water.copy()
        other.translate([3.5 * (number & 1), 3.5 * (number >> 1 & 1), 3.5 * (number >> 2)])
        atoms += other
    pairs = [(3 * number + a, 3 * number + b) for number in range(8) for a, b in ((0, 1), (0, 2), (1, 2))]
    atoms.set_constraint(FixBondLengths(pairs))
    weak = AskedOnly()
    weak.depth, weak.bond, weak.seconds = 1e-4, 3.5, 0.002
    move(atoms, weak, 60, step=0.5)


@case("healthy-relaxation-with-symmetry", library="spglib", **LIVE)
def healthy_relaxation_with_symmetry(draw: random.Random, planted: bool) -> None:
    """A cell is relaxed with its symmetry kept, by a filter and a constraint of ASE."""
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.set_cell(atoms.cell * 1.03, scale_atoms=True)
    with recorded(EMT(), 60) as atoms.calc:
        atoms.set_constraint(FixSymmetry(atoms))
        FIRE(UnitCellFilter(atoms), logfile=None).run(fmax=1e-6, steps=60)


@case("healthy-dimer", **LIVE)
def healthy_dimer(draw: random.Random, planted: bool) -> None:
    atoms = copper(kelvin=0)
    del atoms[0]
    with recorded(Pairs(), 30) as atoms.calc:
        control = DimerControl(
            initial_eigenmode_method="displacement", displacement_method="vector", logfile=None
        )
        saddle = MinModeAtoms(atoms, control, random_seed=0)
        saddle.displace(displacement_vector=[[0.1 * (each == 0)] * 3 for each in range(len(atoms))])
        MinModeTranslate(saddle, logfile=None).run(fmax=1e-3, steps=30)


@case("healthy-gaussian-process", **LIVE)
def healthy_gaussian_process(draw: random.Random, planted: bool) -> None:
    """GPMin spends time in order to save calls of a slow potential."""
    slow = AskedOnly()
    slow.bond, slow.seconds = 1.4, 0.05
    atoms = molecule("C6H6")
    atoms.rattle(0.1, seed=0)
    with recorded(slow, 40) as atoms.calc:
        GPMin(atoms, logfile=None, trajectory=None).run(fmax=1e-4, steps=40)


@case("healthy-socket", **LIVE)
def healthy_socket(draw: random.Random, planted: bool) -> None:
    """The potential runs in another program and is asked through a socket: here, in a thread."""
    name = f"bench-{time.time_ns()}"
    atoms = copper()
    client_atoms = atoms.copy()
    client_atoms.calc = EMT()

    def serve() -> None:
        SocketClient(unixsocket=name).run(client_atoms, use_stress=True)

    thread = threading.Thread(target=serve, daemon=True)
    with SocketIOCalculator(unixsocket=name) as server:
        threading.Timer(0.5, thread.start).start()
        move(atoms, server, 250)
    Path(f"/tmp/ipi_{name}").unlink(missing_ok=True)  # noqa: S108 - where ASE puts it


@case("healthy-runs-one-after-another", **LIVE)
def healthy_runs_one_after_another(draw: random.Random, planted: bool) -> None:
    """Relaxed, heated, sampled: three drivers in one program."""
    atoms = copper(kelvin=0)
    atoms.rattle(0.1, seed=0)
    options = {"temperature_K": 300, "friction": 0.05 / FS, "rng": np.random.RandomState(0)}
    with recorded(EMT(), 330) as atoms.calc:
        BFGS(atoms, logfile=None).run(fmax=1e-3, steps=30)
        Langevin(atoms, 2 * FS, **options).run(100)
        VelocityVerlet(atoms, 2 * FS).run(200)
