"""Overhead of a trace window on a step of about 4000 events.

One step in 25 is in a window. Printed are medians after the first window, which also pays for the profiler's
start-up. Run it by itself, with torch: `python tests/benchmarks/trace_window.py`.
"""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator

from instrumented_calc import ProfiledCalculator, Trace, recording

WINDOWS = 30
EVERY = 25
EVENTS_GOAL = 4000
MS_GOAL = 35


class Steps(Calculator):
    """Runs small matrix products: about nine events each."""

    implemented_properties = ("energy",)

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.randn(64, 64)

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)) -> None:
        x = torch.ones(8, 64)
        for _ in range(EVENTS_GOAL // 9):
            x = torch.tanh(torch.matmul(x, self.weights)).clone()
        self.results = {"energy": float(x.sum())}


def timed(calculator, atoms) -> float:
    began = time.perf_counter()
    calculator.calculate(atoms, ["energy"], ["positions"])
    return 1e3 * (time.perf_counter() - began)


def main() -> None:
    torch.set_num_threads(1)
    gc.collect()
    directory = Path(tempfile.mkdtemp())
    atoms = Atoms("Ar")
    traced, bare = [], []
    trace = Trace(every_calls=EVERY, max_windows=WINDOWS)
    wrapped = ProfiledCalculator(Steps(), journal=directory / "run.jsonl", trace=trace, summary=False)
    for number in range(EVERY * WINDOWS + 1):
        took = timed(wrapped, atoms)
        (traced if number % EVERY == 0 and number else bare).append(took)
    recording(wrapped).close()
    records = [json.loads(line) for line in (directory / "run.jsonl").read_text().splitlines()]
    windows = [record for record in records if record["event"] == "trace"]
    file = json.loads((directory / "run.trace-2.json").read_text())
    events = len(file["traceEvents"])
    calls = [record for record in records if record["event"] == "call"]
    inside = [call["wall_ns"] / 1e6 for call in calls if "window" in call][1:]
    outside = [call["wall_ns"] / 1e6 for call in calls if "window" not in call][1:]
    print(f"events in a window            {events}")
    print(f"bare step                     {statistics.median(bare[1:]):8.2f} ms")
    print(
        f"step in a window, all in all  {statistics.median(traced[1:]):8.2f} ms, the first {traced[0]:.0f} ms"
    )
    print(f"  the call itself, slower by  {statistics.median(inside) - statistics.median(outside):8.2f} ms")
    profiler = statistics.median(window["profiler_ns"] / 1e6 for window in windows[1:])
    print(f"  the window around it        {profiler:8.2f} ms (goal: {MS_GOAL})")


if __name__ == "__main__":
    main()
