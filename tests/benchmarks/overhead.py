"""Added time per force call: ours beside cProfile and ASE's LoggingCalculator, in one run.

    python tests/benchmarks/overhead.py [--rounds 40]

Each round times base / variant / base in thread CPU time, the variants in random order; the table shows
medians over the rounds of the added time, and its ratio to the base. Each variant has its own process,
which runs blocks on request: in one process they would share the interpreter's specialised bytecode, and
each would spoil it for the other. Processes differ by the luck of their memory layout, so all are made anew
several times. The column `bare again` shows the noise: the measured difference between equal runs. For
goals below it, `directly` is the time in our own code per call: from entering it to leaving it, less the
calculator's time, median of blocks (the stopwatch, two clock reads per method, is in it). Trust ratios more
than figures: the first line says how fast this machine's clock can be read.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import os
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.loggingcalc import LoggingCalculator
from ase.md.verlet import VelocityVerlet

from instrumented_calc import ProfiledCalculator

if TYPE_CHECKING:
    from collections.abc import Callable


class BarePython:
    """No ASE at all: get_forces() calls calculate(), which sets two attributes."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.atoms = None
        self._forces = np.full((4, 3), 0.1)

    def get_forces(self, atoms: Any) -> Any:
        self.calculate(atoms, ["forces"], ["positions"])
        return self.results["forces"]

    def calculate(self, atoms: Any, properties: Any, system_changes: Any) -> None:
        self.results["energy"] = -1.5
        self.results["forces"] = self._forces


class Trivial(Calculator):
    """A real ASE calculator that calculates nothing: ASE's own work is all of its time."""

    implemented_properties = ("energy", "forces")  # type: ignore[assignment]

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": -1.5, "forces": np.ones((len(self.atoms), 3))}


@dataclass
class Workload:
    """A timed workload: `prepare(wrap)` returns a function that makes `calls` force calls."""

    name: str
    calls: int
    prepare: Callable[[Callable[[Any], Any]], Callable[[], None]]
    logging: bool = True
    goal: str = ""


def bare_python(wrap: Callable[[Any], Any]) -> Callable[[], None]:
    calc, atoms = wrap(BarePython()), bulk("Cu", cubic=True)

    def block() -> None:
        get_forces = calc.get_forces
        for _ in range(2000):
            get_forces(atoms)

    return block


def trivial(wrap: Callable[[Any], Any]) -> Callable[[], None]:
    atoms = bulk("Cu", cubic=True) * 2
    atoms.calc = wrap(Trivial())

    def block() -> None:
        positions = atoms.positions
        for _ in range(100):
            positions[0, 0] += 1e-6
            atoms.get_forces()

    return block


def dynamics(repeat: int, steps: int) -> Callable[[Callable[[Any], Any]], Callable[[], None]]:
    def prepare(wrap: Callable[[Any], Any]) -> Callable[[], None]:
        atoms = bulk("Cu", cubic=True) * repeat
        atoms.rattle(0.02, seed=1)
        atoms.calc = wrap(EMT())
        md = VelocityVerlet(atoms, 2 * units.fs)
        return lambda: md.run(steps)

    return prepare


WORKLOADS = (
    Workload("bare Python", 2000, bare_python, logging=False, goal="<= 1.5 us"),
    Workload("trivial ASE, 32 atoms", 100, trivial, goal="<= 5 us"),
    Workload("EMT, 4 atoms, MD", 40, dynamics(1, 40), goal="<= 1.5 %"),
    Workload("EMT, 32 atoms, MD", 20, dynamics(2, 20), goal="<= 0.5 %"),
)


def quietly(calc: Any) -> Any:
    return ProfiledCalculator(calc, summary=False)


GENERATIONS = 8
DIRECT_BLOCKS = 40
COLUMNS = ("bare again", "instrumented-calc", "cProfile", "LoggingCalculator")


def cpu(block: Callable[[], None]) -> int:
    start = time.thread_time_ns()
    block()
    return time.thread_time_ns() - start


def under_cprofile(block: Callable[[], None]) -> Callable[[], None]:
    def profiled_block() -> None:
        profiler = cProfile.Profile()
        profiler.enable()
        try:
            block()
        finally:
            profiler.disable()

    return profiled_block


class Player:
    """One variant in a process of its own, that runs a block on request."""

    def __init__(self, block_of: Callable[[], Callable[[], Any]], play: Callable[[Any], Any] = cpu) -> None:
        self._here, there = Pipe()
        self._process = get_context("fork").Process(
            target=self._play, args=(block_of, play, there), daemon=True
        )
        self._process.start()

    @staticmethod
    def _play(block_of: Callable[[], Callable[[], Any]], play: Callable[[Any], Any], there: Any) -> None:
        os.chdir(tempfile.mkdtemp())
        block = block_of()
        while there.recv():
            block()  # the caches hold the data of the last workload
            there.send(play(block))

    def cpu(self) -> int:
        self._here.send(True)
        return self._here.recv()

    def stop(self) -> None:
        self._here.send(False)
        self._process.join()


def play(workload: Workload, rounds: int, added: dict[str, list[float]], bases: list[float]) -> None:
    base = Player(lambda: workload.prepare(lambda calc: calc))
    variants = {
        "bare again": Player(lambda: workload.prepare(lambda calc: calc)),
        "instrumented-calc": Player(lambda: workload.prepare(quietly)),
        "cProfile": Player(lambda: under_cprofile(workload.prepare(lambda calc: calc))),
    }
    if workload.logging:
        variants["LoggingCalculator"] = Player(lambda: workload.prepare(LoggingCalculator))
    for _ in range(rounds):
        for name in random.sample(list(variants), len(variants)):
            before, taken, after = base.cpu(), variants[name].cpu(), base.cpu()
            bases += [before / workload.calls, after / workload.calls]
            added.setdefault(name, []).append((taken - (before + after) / 2) / workload.calls)
    for player in (base, *variants.values()):
        player.stop()


class Inside:
    """Sums the time in our code, without the calculator's, while a workload runs."""

    def __init__(self) -> None:
        self.ours = 0

    def around(self, method: Callable[..., Any], sign: int) -> Callable[..., Any]:
        """Return the method, timed: outside of our code it adds, inside it takes away again."""

        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter_ns()
            try:
                return method(*args, **kwargs)
            finally:
                self.ours += sign * (time.perf_counter_ns() - start)

        return timed


def direct(workload: Workload) -> float:
    """Return the added time per call in ns, measured where it arises, in a process of its own."""

    def block_of() -> Callable[[], None]:
        inside = Inside()

        def wrap(calc: Any) -> Any:
            cls = type(calc)
            for name in ("calculate", "get_property"):
                if hasattr(cls, name):
                    setattr(cls, name, inside.around(getattr(cls, name), -1))
            face = quietly(calc)
            twin = type(face)
            for name in ("calculate", "get_property"):
                if name in vars(twin):
                    setattr(twin, name, inside.around(vars(twin)[name], +1))
            return face

        block = workload.prepare(wrap)

        def measured() -> float:
            samples = []
            for _ in range(DIRECT_BLOCKS):
                before = inside.ours
                block()
                samples.append((inside.ours - before) / workload.calls)
            return statistics.median(samples)

        return measured

    player = Player(block_of, play=lambda measured: measured())
    added = float(player.cpu())
    player.stop()
    return added


def measure(workload: Workload, rounds: int) -> None:
    added: dict[str, list[float]] = {}
    bases: list[float] = []
    for _ in range(GENERATIONS):
        play(workload, rounds // GENERATIONS, added, bases)
    per_call = statistics.median(bases)
    print(f"{workload.name:24s}{per_call / 1e3:10.2f} us", end="")
    for name in COLUMNS:
        if name not in added:
            print(f"{'-':>24s}", end="")
            continue
        extra = statistics.median(added[name])
        print(f"{extra / 1e3:+11.2f} us{100 * extra / per_call:+8.2f} %", end="")
    inside = direct(workload)
    print(f"{inside / 1e3:+11.2f} us{100 * inside / per_call:+8.2f} %   {workload.goal}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    reads = [cpu(lambda: [time.perf_counter_ns() for _ in range(1000)]) / 1000 for _ in range(50)]
    print(f"one clock reading: {statistics.median(reads):.0f} ns; added per call, {rounds} rounds")
    print(
        f"{'':24s}{'base':>13s}{'instrumented-calc':>26s}{'cProfile':>26s}{'LoggingCalculator':>26s}   goal"
    )
    for workload in WORKLOADS:
        measure(workload, rounds)


if __name__ == "__main__":
    main()
