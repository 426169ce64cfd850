"""CPU time of the journal's thread with and without stack samples.

    python tests/benchmarks/stack_samples.py [--seconds 20]

Runs EMT molecular dynamics of 32 atoms, in turn with `places` on and off, and prints for each run the CPU
time of the journal's thread as a share of the wall time, and that of the samples alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.places.stack_samples import StackSamples

LOOK_WITHOUT_SAMPLE_US = 15
JOURNAL_THREAD = "instrumented-calc journal"


def cpu_of_journal_thread() -> float:
    """Return the CPU time of the journal's thread so far, s."""
    thread = next(each for each in threading.enumerate() if each.name == JOURNAL_THREAD)
    fields = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text(encoding="ascii").split()
    return int(fields[0]) / 1e9


def run(seconds: float, folder: str, *, places: bool) -> tuple[float, list[float]]:
    """Return the share of the wall time that the thread used, and the CPU time of each look in us."""
    costs: list[float] = []
    look = StackSamples.look

    def timed(self: StackSamples, now: int) -> None:
        began = time.thread_time_ns()
        look(self, now)
        costs.append((time.thread_time_ns() - began) / 1e3)

    StackSamples.look = timed  # type: ignore[method-assign]
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    atoms.calc = ProfiledCalculator(EMT(), f"{folder}/{places}.jsonl", places=places, summary=False)
    dynamics = VelocityVerlet(atoms, 1 * units.fs)
    dynamics.run(50)  # the first findings and probes load modules
    time.sleep(1.5)
    costs.clear()
    cpu, wall = cpu_of_journal_thread(), time.perf_counter()
    while time.perf_counter() - wall < seconds:
        dynamics.run(20)
    cpu, wall = cpu_of_journal_thread() - cpu, time.perf_counter() - wall
    recording(atoms.calc).close()
    StackSamples.look = look  # type: ignore[method-assign]
    return cpu / wall, costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            for places in (False, True):
                share, costs = run(seconds, f"{folder}", places=places)
                words = f"{number}: places {'on ' if places else 'off'}: {share:.3%} of the wall time"
                if places:
                    taken = [cost for cost in costs if cost > LOOK_WITHOUT_SAMPLE_US]
                    words += (
                        f"; {len(taken)} samples of {statistics.median(taken):.0f} us,"
                        f" {sum(costs) / seconds / 1e6:.3%} of the wall time"
                    )
                print(words)


if __name__ == "__main__":
    main()
