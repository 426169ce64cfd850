"""What scripts do in each step out of habit, and what happens to them once."""

from __future__ import annotations

import gc
import gzip
import json
import os
import pickle
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.fd import calculate_numerical_stress
from ase.calculators.mixing import LinearCombinationCalculator
from ase.io import Trajectory
from ase.md.verlet import VelocityVerlet
from tests.diagnosis.case import case
from tests.diagnosis.live.workloads import FS, Pairs, copper, move, shared_run, working

from instrumented_calc import ProfiledCalculator

if TYPE_CHECKING:
    import random

    from ase import Atoms

LIVE = {"stored": False, "busy": True, "twin": False}


# -- between calls ----------------------------------------------------------------------------------


@case("observer-commits-to-a-database", "time-outside", places=("write_row",), **LIVE)
def observer_commits_to_a_database(draw: random.Random, planted: bool) -> None:
    """Each step is committed to a database of its own row by row."""
    atoms, database = copper(), sqlite3.connect("frames.db")
    database.execute("create table frames (position blob)")

    def write_row() -> None:
        for row in atoms.positions:
            database.execute("insert into frames values (?)", (json.dumps(row.tolist()),))
        database.commit()

    move(atoms, Pairs(), 300, observe=lambda dyn: dyn.attach(write_row, interval=1))


@case("observer-all-distances", "time-outside", places=("all_distances",), **LIVE)
def observer_all_distances(draw: random.Random, planted: bool) -> None:
    """An observer computes all distances with periodic images in each step."""
    atoms = copper()

    def all_distances() -> None:
        atoms.get_all_distances(mic=True)

    move(atoms, Pairs(), 300, observe=lambda dyn: dyn.attach(all_distances, interval=1))


@case("trajectory-opened-in-each-step", "time-outside", places=("append_frame", "write"), **LIVE)
def trajectory_opened_in_each_step(draw: random.Random, planted: bool) -> None:
    """The trajectory is opened, appended to and closed in each step."""
    atoms = copper()

    def append_frame() -> None:
        with Trajectory("md.traj", "a") as file:
            file.write(atoms)

    move(atoms, Pairs(), 250, observe=lambda dyn: dyn.attach(append_frame, interval=1))


@case(
    "stress-by-differences-in-the-log",
    "evaluations-per-step",
    also=("numerical-forces", "time-outside", "unchanged-atoms"),
    places=("log_stress",),
    **LIVE,
)
def stress_by_differences_in_the_log(draw: random.Random, planted: bool) -> None:
    """An observer computes the stress by finite differences: twelve energies per step."""
    atoms = copper()

    def log_stress() -> None:
        calculate_numerical_stress(atoms, eps=1e-5, force_consistent=False)

    move(atoms, Pairs(), 60, observe=lambda dyn: dyn.attach(log_stress, interval=1))


# -- inside calls -----------------------------------------------------------------------------------


def compare_with_history(positions: list[float], history: list[list[float]]) -> None:
    """Look for a geometry among all that have been calculated."""
    history.append(positions)
    for each in history:
        sum(abs(one - other) for one, other in zip(positions, each, strict=True))


@case("history-searched-in-each-call", "latency-drift", places=("compare_with_history",), **LIVE)
def history_searched_in_each_call(draw: random.Random, planted: bool) -> None:
    """Each call compares its geometry with all before: ever slower."""
    history: list[list[float]] = []
    move(
        copper(), working(lambda atoms: compare_with_history(atoms.positions.ravel().tolist(), history)), 450
    )


@case("expression-compiled-in-each-call", places=("compile_expression", "compile"), **LIVE)
def expression_compiled_in_each_call(draw: random.Random, planted: bool) -> None:
    """Each call compiles the text of an expression."""
    text = "\n".join(f"x{number} = {number} * 2.0 + {number}" for number in range(300))

    def compile_expression(_: Atoms) -> None:
        compile(text, "expression", "exec")

    move(copper(), working(compile_expression), 250)


@case("function-vectorised-in-python", places=("switching_function", "vectorize"), **LIVE)
def function_vectorised_in_python(draw: random.Random, planted: bool) -> None:
    """`numpy.vectorize` calls a Python function for each pair."""
    switch = np.vectorize(lambda length: 0.5 * (1 + np.cos(length)) if length < 3 else 0.0)

    def switching_function(atoms: Atoms) -> None:
        switch(atoms.get_all_distances())

    move(copper(), working(switching_function), 250)


@case("state-compressed-in-each-call", "services-in-calls", places=("save_state",), **LIVE)
def state_compressed_in_each_call(draw: random.Random, planted: bool) -> None:
    """Each call compresses a state for a restart."""
    state = os.urandom(60_000) + b"x" * 60_000

    def save_state(_: Atoms) -> None:
        Path("state.gz").write_bytes(gzip.compress(state))

    move(copper(), working(save_state), 250)


@case("key-pickled-in-each-call", "services-in-calls", places=("key_of",), **LIVE)
def key_pickled_in_each_call(draw: random.Random, planted: bool) -> None:
    """Each call pickles its parameters as the key of a cache."""
    parameters = {f"a{number}": [number] * 20 for number in range(800)}

    def key_of(_: Atoms) -> None:
        pickle.dumps(parameters, protocol=0)

    move(copper(), working(key_of), 250)


class SlowMember(Pairs):
    """A member of a committee that takes much longer than the others."""

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        sum(value * value for value in range(60_000))


@case("committee-with-a-slow-member", places=("SlowMember",), **LIVE)
def committee_with_a_slow_member(draw: random.Random, planted: bool) -> None:
    """One member of a committee, each wrapped alone, takes most of the time."""
    committee([Pairs(), SlowMember()], 200)


def committee(members: list[Pairs], steps: int) -> None:
    """Run MD with the mean of calculators that are wrapped one by one."""
    atoms, share = copper(), 1 / len(members)
    with shared_run(members[0], steps) as first:
        rest = [ProfiledCalculator(each) for each in members[1:]]
        atoms.calc = LinearCombinationCalculator([first, *rest], [share] * len(members))
        VelocityVerlet(atoms, 2 * FS).run(steps)


@case("healthy-committee-wrapped-one-by-one", stored=False, busy=True)
def healthy_committee_wrapped_one_by_one(draw: random.Random, planted: bool) -> None:
    """Each step calls every member once."""
    members = [Pairs() for _ in range(4)]
    for number, each in enumerate(members):
        each.depth += 0.01 * number
    committee(members, 200)


# -- once -------------------------------------------------------------------------------------------


@case("one-long-collection", "long-calls", also=("gc-pauses",), **LIVE)
def one_long_collection(draw: random.Random, planted: bool) -> None:
    """The collector was disabled, and inspects millions of objects in a single call."""
    kept, numbers = [{number: [number]} for number in range(1_000_000)], iter(range(10**6))
    gc.disable()
    move(copper(), working(lambda _: next(numbers) == 200 and gc.collect()), 500)
    kept.clear()
