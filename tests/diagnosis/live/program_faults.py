"""Calculators that run other programs, and pools of processes."""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import FileIOCalculator
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import Pairs, copper, move, working
from tests.diagnosis.simulations import morse

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True}


class Program(FileIOCalculator):
    """Writes a file, runs a program and reads its result, as codes of quantum chemistry do.

    Args:
        seconds: Time that the program waits.
        slow: What takes long: `write`, `read` or nothing.
        command: The program.
    """

    implemented_properties = ("energy", "forces")
    discard_results_on_any_change = True

    def __init__(self, seconds: float = 0.0, slow: str = "", command: str = "") -> None:
        super().__init__(command=command or f"sleep {seconds}")
        self.slow = slow

    def write_input(self, atoms: Any, properties: Any = None, system_changes: Any = None) -> None:
        super().write_input(atoms, properties, system_changes)
        Path("input.json").write_text(json.dumps(atoms.positions.tolist()))
        if self.slow == "write":
            self.write_basis_set()

    def write_basis_set(self) -> None:
        Path("basis.json").write_text(json.dumps([[number / 7] * 5 for number in range(20_000)]))

    def read_results(self) -> None:
        if self.slow == "read":
            self.parse_output()
        found = morse(self.atoms, 0.4, 1.5, 2.7)
        self.results = {"energy": found["energy"], "forces": found["forces"]}

    def parse_output(self) -> None:
        lines = [f"{number} {number / 3:.8f}" for number in range(40_000)]
        self.table = [float(line.split()[1]) for line in lines]


@case(
    "program-with-a-slow-input",
    "services-in-calls",
    places=("write input", "write_basis_set"),
    saving=True,
    **LIVE,
)
def program_with_a_slow_input(draw: random.Random, planted: bool) -> None:
    """Writing the input takes longer than the program."""
    move(copper(), Program(slow="write" if planted else ""), 40)


@case("program-with-a-slow-output", places=("read results", "parse_output"), saving=True, **LIVE)
def program_with_a_slow_output(draw: random.Random, planted: bool) -> None:
    """Reading the output takes longer than the program."""
    move(copper(), Program(slow="read" if planted else ""), 40)


@case("program-that-waits", places=("execute", "sleep"), saving=True, **LIVE)
def program_that_waits(draw: random.Random, planted: bool) -> None:
    """The program waits for its licence: wall time without CPU time."""
    move(copper(), Program(0.06 if planted else 0.0), 45)


@case("program-that-starts-slowly", places=("execute", "python"), saving=True, **LIVE)
def program_that_starts_slowly(draw: random.Random, planted: bool) -> None:
    """Each call starts an interpreter that loads a large library."""
    command = f"{sys.executable} -c 'import numpy'" if planted else "sleep 0"
    move(copper(), Program(command=command), 25)


def square(values: Any) -> Any:
    return np.square(values)


def start_a_pool(atoms: Atoms) -> None:
    """Start a pool for one small task."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(square, [atoms.positions] * 2)


@case("pool-started-in-each-call", "processes-in-calls", places=("start_a_pool", "Pool"), saving=True, **LIVE)
def pool_started_in_each_call(draw: random.Random, planted: bool) -> None:
    """Each call starts a pool of processes; the twin keeps one."""
    pool = multiprocessing.get_context("fork").Pool(2)

    def kept(atoms: Atoms) -> None:
        pool.map(square, [atoms.positions] * 2)

    move(copper(), working(start_a_pool if planted else kept), 60)
    pool.terminate()


@case("pool-with-large-arguments", places=("send_everything",), saving=True, **LIVE)
def pool_with_large_arguments(draw: random.Random, planted: bool) -> None:
    """Each call sends a table of 8 MB to a process that needs three numbers of it."""
    pool = multiprocessing.get_context("fork").Pool(1)
    table = np.ones(1_000_000)

    def send_everything(_: Atoms) -> None:
        pool.map(len, [table[: None if planted else 3]])

    move(copper(), working(send_everything), 100)
    pool.terminate()


@case("files-left-open", places=("open files", "file descriptor"), twin=False, **LIVE)
def files_left_open(draw: random.Random, planted: bool) -> None:
    """Each call opens a file and leaves it open, until the limit ends the run."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    kept: list[Any] = []

    def work(_: Atoms) -> None:
        time.sleep(0.004)
        kept.append(Path("log").open("a"))  # noqa: SIM115 - the fault

    try:
        move(copper(), working(work), 1000)
    except OSError as fault:
        kept.clear()
        raise SystemExit(3) from fault


@case("table-read-in-each-call", places=("read_table",), saving=True, **LIVE)
def table_read_in_each_call(draw: random.Random, planted: bool) -> None:
    """Parameters are read from a file in each call."""
    Path("table.txt").write_text("\n".join(f"{number} {number / 7:.6f}" for number in range(8000)))

    def read_table(_: Atoms) -> None:
        np.array([line.split() for line in Path("table.txt").read_text().splitlines()], dtype=float)

    move(copper(), Pairs() if not planted else working(read_table), 350)
