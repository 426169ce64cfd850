"""Calculators and observers in Python that take most of the time, somewhere."""

from __future__ import annotations

import copy
import gc
import json
import logging
import math
import os
import threading
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.fd import calculate_numerical_forces
from ase.constraints import FixAtoms
from ase.io import Trajectory, write
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import Pairs, copper, move, working

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}


def neighbours_in_python(atoms: Atoms) -> list[tuple[int, int]]:
    """Return close pairs, by two loops."""
    positions, found = np.tile(atoms.positions, (3, 1)).tolist(), []
    for i, (x, y, z) in enumerate(positions):
        for j, (u, v, w) in enumerate(positions):
            if i != j and math.sqrt((x - u) ** 2 + (y - v) ** 2 + (z - w) ** 2) < 4.0:
                found.append((i, j))
    return found


@case("python-neighbour-list", "neighbour-list", places=("neighbours_in_python",), saving=True, **LIVE)
def python_neighbour_list(draw: random.Random, planted: bool) -> None:
    """A neighbour list in plain Python takes most of the call."""
    work = neighbours_in_python if planted else (lambda _: None)
    move(copper(), working(work), 300)


@case("python-tracemalloc-left-on", "debugging-aids", places=("tracemalloc",), saving=True, **LIVE)
def python_tracemalloc_left_on(draw: random.Random, planted: bool) -> None:
    """tracemalloc was left on, with deep stacks."""
    if planted:
        tracemalloc.start(25)
    move(copper(), working(lambda atoms: [[float(x) for x in row] for row in atoms.positions]), 400)


def dump_everything(atoms: Atoms) -> None:
    """Write arguments of a call as JSON, for debugging."""
    Path("debug.json").write_text(json.dumps([atoms.positions.tolist() for _ in range(25)], indent=1))


@case("python-patched-calculator", "services-in-calls", places=("dump_everything",), saving=True, **LIVE)
def python_patched_calculator(draw: random.Random, planted: bool) -> None:
    """A user replaced `calculate` by a function that also writes what it was given."""
    calculator = Pairs()
    original = calculator.calculate

    def patched(atoms: Any = None, *rest: Any, **named: Any) -> None:
        original(atoms, *rest, **named)
        if planted:
            dump_everything(calculator.atoms)

    calculator.calculate = patched  # type: ignore[method-assign]
    move(copper(), calculator, 300)


@case("python-logs-each-atom", "services-in-calls", places=("log_forces",), saving=True, **LIVE)
def python_logs_each_atom(draw: random.Random, planted: bool) -> None:
    """Debug messages of each call go to a file."""
    logger = logging.getLogger("forces")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(logging.FileHandler("debug.log"))

    def log_forces(atoms: Atoms) -> None:
        for number, position in enumerate(atoms.positions):
            logger.debug("atom %d is at %s", number, position)

    move(copper(), working(log_forces if planted else (lambda _: None)), 300)


@case("python-collects-in-each-call", "gc-pauses", places=("collect",), saving=True, **LIVE)
def python_collects_in_each_call(draw: random.Random, planted: bool) -> None:
    """gc.collect() was put into the calculator against a leak, beside many objects."""
    kept = [{number: [number]} for number in range(20_000)]
    move(copper(), working((lambda _: gc.collect()) if planted else (lambda _: None)), 120)
    kept.clear()


def write_to_disk(atoms: Atoms) -> None:
    """Write a checkpoint, and wait until it is on the disk."""
    with Path("checkpoint").open("wb") as file:
        file.write(atoms.positions.tobytes())
        for _ in range(3):
            file.flush()
            os.fsync(file.fileno())
    time.sleep(0.004)  # a disk of a busy file server


@case("python-waits-for-the-disk", places=("write_to_disk",), saving=True, **LIVE)
def python_waits_for_the_disk(draw: random.Random, planted: bool) -> None:
    """Each call waits until a checkpoint is on the disk."""
    move(copper(), working(write_to_disk if planted else lambda _: None), 300)


def poll_for_permission(_: Atoms) -> None:
    """Wait for a flag of another program, as users of licences do."""
    for _attempt in range(3):
        time.sleep(0.003)


@case("python-polls", places=("poll_for_permission",), saving=True, **LIVE)
def python_polls(draw: random.Random, planted: bool) -> None:
    """Each call sleeps several times before it begins."""
    move(copper(), working(poll_for_permission if planted else lambda _: None), 250)


@case("python-waits-for-a-lock", places=("wait_for_the_lock",), saving=True, **LIVE)
def python_waits_for_a_lock(draw: random.Random, planted: bool) -> None:
    """A writer in another thread holds a lock that each call needs."""
    lock, ended = threading.Lock(), threading.Event()

    def hold() -> None:
        while not ended.is_set():
            with lock:
                time.sleep(0.008)
            time.sleep(0.0005)

    def wait_for_the_lock(_: Atoms) -> None:
        with lock:
            pass

    thread = threading.Thread(target=hold)
    if planted:
        thread.start()
    move(copper(), working(wait_for_the_lock), 250)
    ended.set()


@case(
    "python-other-thread-computes",
    "contention",
    also=("oversubscription",),
    places=("compute_statistics",),
    saving=True,
    **LIVE,
)
def python_other_thread_computes(draw: random.Random, planted: bool) -> None:
    """A thread of the program's own computes in Python all the time, and holds the interpreter."""
    ended = threading.Event()

    def compute_statistics() -> None:
        while not ended.is_set():
            sum(value * value for value in range(20_000))

    thread = threading.Thread(target=compute_statistics)
    if planted:
        thread.start()
    move(copper(), working(lambda _: time.sleep(0.001)), 300)
    ended.set()


def copy_the_calculator(atoms: Atoms) -> None:
    """Copy a calculator with all it holds."""
    copy.deepcopy(atoms.info["table"])


@case(
    "python-deep-copies",
    "services-in-calls",
    places=("copy_the_calculator", "deepcopy"),
    saving=True,
    **LIVE,
)
def python_deep_copies(draw: random.Random, planted: bool) -> None:
    """Each call copies a table of parameters."""
    table = {f"Cu-{number}": {"cutoff": float(number), "pairs": [number] * 5} for number in range(120)}

    def work(_: Atoms) -> None:
        holder.info["table"] = table
        copy_the_calculator(holder)

    holder = copper()
    move(copper(), working(work if planted else lambda _: None), 300)


class NumericalForces(Pairs):
    """Its forces are differences of energies."""

    inside = False
    planted = True

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = ()) -> None:
        super().calculate(atoms, properties, system_changes)
        if self.planted and not self.inside:
            self.inside = True
            asked = self.atoms.copy()
            asked.calc = self
            kept = dict(self.results)
            forces = calculate_numerical_forces(asked, eps=1e-4)
            self.results = {**kept, "forces": forces}
            self.inside = False


@case("python-numerical-forces", "numerical-forces", **LIVE)
def python_numerical_forces(draw: random.Random, planted: bool) -> None:
    """Forces by finite differences: 192 energies for each."""
    calculator = NumericalForces()
    calculator.planted = planted
    move(copper(), calculator, 35 if planted else 400)


# -- outside of the calculator ----------------------------------------------------------------------


def pair_distribution(atoms: Atoms) -> None:
    """Sort all distances into bins, in Python."""
    counts = [0] * 200
    for first in atoms.positions.tolist():
        for second in atoms.positions.tolist():
            counts[int(20 * math.dist(first, second)) % 200] += 1


@case("observer-pair-distribution", "time-outside", places=("pair_distribution",), saving=True, **LIVE)
def observer_pair_distribution(draw: random.Random, planted: bool) -> None:
    """An observer computes a pair distribution in each step."""
    atoms = copper()
    every = 1 if planted else 10**6
    move(atoms, Pairs(), 350, observe=lambda dyn: dyn.attach(pair_distribution, every, atoms))


@case("observer-text-every-step", "time-outside", places=("write", "xyz", "write_frame"), saving=True, **LIVE)
def observer_text_every_step(draw: random.Random, planted: bool) -> None:
    """Every frame is written as text."""
    atoms = copper()

    def write_frame() -> None:
        write("md.extxyz", atoms, append=True)

    move(atoms, Pairs(), 500, observe=lambda dyn: dyn.attach(write_frame, interval=1 if planted else 10**6))


@case(
    "observer-whole-history", "time-outside", also=("latency-drift",), places=("write_whole_history",), **LIVE
)
def observer_whole_history(draw: random.Random, planted: bool) -> None:
    """Every ten steps all frames so far are written again: ever slower."""
    atoms, frames = copper(), []

    def write_whole_history() -> None:
        frames.append(atoms.positions.tolist())
        Path("history.json").write_text(json.dumps(frames if planted else frames[-1:]))

    move(atoms, Pairs(), 700, observe=lambda dyn: dyn.attach(write_whole_history, interval=10))


@case("observer-checkpoint-every-25", "time-outside", places=("checkpoint",), saving=True, **LIVE)
def observer_checkpoint_every_25(draw: random.Random, planted: bool) -> None:
    """A large checkpoint every 25 steps."""
    atoms, table = copper(), {str(number): [float(number)] * 4 for number in range(20_000)}

    def checkpoint() -> None:
        Path("checkpoint.json").write_text(json.dumps(table))

    move(atoms, Pairs(), 500, observe=lambda dyn: dyn.attach(checkpoint, interval=25 if planted else 10**6))


@case("observer-asks-the-cache", "time-outside", places=("ask_each_atom",), saving=True, **LIVE)
def observer_asks_the_cache(draw: random.Random, planted: bool) -> None:
    """An observer asks for all forces for each atom: answered from the cache, after comparing all atoms."""
    atoms = copper()

    def ask_each_atom() -> None:
        for number in range(len(atoms)):
            atoms.get_forces()[number]

    every = 1 if planted else 10**6
    move(atoms, Pairs(), 250, observe=lambda dyn: dyn.attach(ask_each_atom, interval=every))


class SlowConstraint(FixAtoms):
    """Projects the forces in Python."""

    def adjust_forces(self, atoms: Any, forces: np.ndarray) -> None:
        self.project_in_python(forces)
        super().adjust_forces(atoms, forces)

    def project_in_python(self, forces: np.ndarray) -> None:
        for _ in range(60):
            [sum(value * value for value in row) for row in forces.tolist()]


@case(
    "constraint-in-python", "time-outside", places=("project_in_python", "adjust_forces"), saving=True, **LIVE
)
def constraint_in_python(draw: random.Random, planted: bool) -> None:
    """A constraint of the user's own takes longer than the forces."""
    atoms = copper()
    atoms.set_constraint((SlowConstraint if planted else FixAtoms)([0]))
    move(atoms, Pairs(), 350)


@case("trajectory-every-step-on-a-slow-disk", "time-outside", places=("save_frame",), saving=True, **LIVE)
def trajectory_every_step_on_a_slow_disk(draw: random.Random, planted: bool) -> None:
    """A trajectory is saved in each step on a disk that needs 5 ms."""
    atoms = copper()
    file = Trajectory("md.traj", "w", atoms)

    def save_frame() -> None:
        file.write()
        time.sleep(0.005)

    every = 1 if planted else 50
    move(atoms, Pairs(), 300, observe=lambda dyn: dyn.attach(save_frame, interval=every))
