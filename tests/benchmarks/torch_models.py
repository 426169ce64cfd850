"""Added time per recorded call of a calculator with a torch model, whose parts are timed.

    python -m tests.benchmarks.torch_models [--calculator chgnet.model.dynamics:CHGNetCalculator] [--atoms 8]

Each round times a block of bare, of recorded and of bare calls in thread CPU time, on one thread and on the
same calculator; the first calls of the run, in which the parts are chosen and step profiles are frequent,
are not counted. Blocks, because a single recorded call among bare ones would pay for samples that a run
takes at intervals of time. The medians over the rounds are shown, and the median of the second bare block
less the first as the noise. Without a calculator, a stack of small layers is run, whose backward pass gives
the forces.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ase.build import bulk
from tests.benchmarks.workloads import Layers

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS
from instrumented_calc.naming import import_object

if TYPE_CHECKING:
    from ase import Atoms

UNCOUNTED = 20


def cpu_per_call(calculator: Any, atoms: Atoms, calls: int) -> float:
    start = time.thread_time_ns()
    for _ in range(calls):
        atoms.positions[0, 0] += 1e-6  # as in a simulation, no geometry comes twice
        calculator.calculate(atoms, ["energy", "forces"], ["positions"])
    return (time.thread_time_ns() - start) / calls


def parts_in(journal: Path) -> list[str]:
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    return [*[row for row in rows if row["event"] == "call"][-1].get("components", {})]


def main() -> None:
    """Print the added time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calculator", help="a class or function that takes no arguments: module:name")
    parser.add_argument("--atoms", type=int, default=8, help="at least so many atoms of silicon")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--block", type=int, default=8, help="calls in a row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.chdir(tempfile.mkdtemp())
    calculator = import_object(options.calculator)() if options.calculator else Layers()
    atoms = bulk("Si", cubic=True)
    while len(atoms) < options.atoms:
        atoms = atoms * (1, 1, 2)
    atoms.rattle(0.02, seed=1)
    journal = Path("run.jsonl")
    wrapped = ProfiledCalculator(calculator, journal, summary=False)
    cpu_per_call(wrapped, atoms, FIRST_CALLS + UNCOUNTED)
    bases, added, noise = [], [], []
    for _ in range(options.rounds):
        before, taken, after = (
            cpu_per_call(each, atoms, options.block) for each in (calculator, wrapped, calculator)
        )
        bases += [before, after]
        added.append(taken - (before + after) / 2)
        noise.append(after - before)
    recording(wrapped).close()
    base, cost = statistics.median(bases), statistics.median(added)
    parts = parts_in(journal)
    print(f"{type(calculator).__name__}, {len(atoms)} atoms, {len(parts)} parts: {', '.join(parts)}")
    print(f"bare {base / 1e6:.3f} ms, recorded {cost / 1e6:+.3f} ms ({100 * cost / base:+.2f} %)")
    print(f"bare again {statistics.median(noise) / 1e6:+.3f} ms")


if __name__ == "__main__":
    main()
