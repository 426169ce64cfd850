"""Added time per force call: ours beside cProfile and ASE's LoggingCalculator, in one run.

    python -m tests.benchmarks.overhead [--rounds 40]

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
from multiprocessing import Pipe, get_context
from typing import TYPE_CHECKING, Any

from ase.calculators.loggingcalc import LoggingCalculator
from tests.benchmarks.workloads import WORKLOADS

from instrumented_calc import ProfiledCalculator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.workloads import Workload


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
