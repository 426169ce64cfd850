"""Added time per recorded call of models on a CUDA device: wall time, and time of the calling thread.

    python tests/benchmarks/gpu.py [--rounds 30] [--block 10]

Each round times a block of bare, of recorded and of bare calls of the same calculator, and waits for the
device at the end of each block. The first calls of a run, in which parts are chosen and step profiles are
frequent, are not counted. The medians over the rounds are shown, and the median of the second bare block
less the first as the noise. The models are a stack of small layers, which is bound by launches, and, if
orb-models is installed, Orb with random weights at a small and a large size.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from ase.build import bulk
from ase.calculators.calculator import Calculator

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms

UNCOUNTED = 20
DEVICE = "cuda"


class Taken(NamedTuple):
    """Times of one call of a block, in ns."""

    wall: float
    thread: float


class Layers(Calculator):
    """Runs thirty small layers and their backward pass on the device."""

    implemented_properties = ("energy", "forces")  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        blocks = [torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.SiLU()) for _ in range(30)]
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 64), *blocks, torch.nn.Linear(64, 1)).to(DEVICE)

    def calculate(self, atoms: Any, properties: Any, system_changes: Any) -> None:
        super().calculate(atoms, properties, system_changes)
        positions = torch.tensor(atoms.positions, dtype=torch.float32, device=DEVICE, requires_grad=True)
        energy = self.model(positions).sum()
        (gradient,) = torch.autograd.grad(energy, positions)
        self.results = {"energy": energy.item(), "forces": -gradient.cpu().numpy()}


def silicon(repeat: int) -> Atoms:
    atoms = bulk("Si", cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(0.02, seed=1)
    return atoms


def models() -> Iterator[tuple[str, Any, Atoms]]:
    yield "small layers", Layers(), silicon(1)
    if find_spec("orb_models") is None:
        return
    from instrumented_calc_orb import OrbCalculator, random_weights

    for name in ("orb-v3-conservative", "orb-v2"):
        file = random_weights(Path("random.ckpt"), model=name)
        full = f"{name}-inf-omat" if name != "orb-v2" else name
        calculator = OrbCalculator(full, weights_path=file, device=DEVICE, compile=False)
        for repeat in (1, 4):
            yield name, calculator, silicon(repeat)


def timed(calculator: Any, atoms: Atoms, calls: int) -> Taken:
    torch.cuda.synchronize()
    wall, thread = time.perf_counter_ns(), time.thread_time_ns()
    for _ in range(calls):
        atoms.positions[0, 0] += 1e-6  # as in a simulation, no geometry comes twice
        calculator.calculate(atoms, ["energy", "forces"], ["positions"])
    torch.cuda.synchronize()
    return Taken((time.perf_counter_ns() - wall) / calls, (time.thread_time_ns() - thread) / calls)


def compare(name: str, calculator: Any, atoms: Atoms, rounds: int, block: int) -> None:
    timed(calculator, atoms, UNCOUNTED)
    wrapped = ProfiledCalculator(calculator, Path("run.jsonl"), summary=False)
    timed(wrapped, atoms, FIRST_CALLS + UNCOUNTED)
    blocks = [
        [timed(each, atoms, block) for each in (calculator, wrapped, calculator)] for _ in range(rounds)
    ]
    recording(wrapped).close()
    print(f"{name}, {len(atoms)} atoms, medians of {rounds} rounds of {block} calls")
    for clock in Taken._fields:
        times = [[getattr(taken, clock) for taken in each] for each in blocks]
        bare = statistics.median((first + last) / 2 for first, _, last in times)
        added = statistics.median(middle - (first + last) / 2 for first, middle, last in times)
        noise = statistics.median(last - first for first, _, last in times)
        print(
            f"  {clock:6}  bare {bare / 1e6:8.3f} ms   recorded {added / 1e6:+.3f} ms "
            f"({100 * added / bare:+.2f} %)   bare again {noise / 1e6:+.3f} ms"
        )


def main() -> None:
    """Print the added times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--block", type=int, default=10, help="calls in a row")
    options = parser.parse_args()
    os.chdir(tempfile.mkdtemp())
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for name, calculator, atoms in models():
        compare(name, calculator, atoms, options.rounds, options.block)


if __name__ == "__main__":
    main()
