"""Ten million calls in one run: is the journal bounded, are its totals exact, does memory stay flat?

python tests/benchmarks/long_run.py [calls] [max_journal]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from instrumented_calc import ProfiledCalculator, recording

LIMIT = 256_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


class Nothing(Calculator):
    """Calculates nothing, fast."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Give a constant energy."""
        self.results = {"energy": 1.0}


def resident() -> float:
    """Return the resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def main(calls: int, limit: int) -> bool:
    """Run, print the figures, and return whether they are right."""
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5]])
    calculator = ProfiledCalculator(Nothing(), max_journal=limit, summary=False)
    arguments = atoms, ["energy"], ["positions"]
    calculate = calculator.calculate
    for _ in range(1000):
        calculate(*arguments)
    first = resident()
    marks = []
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(1000, calls):
        calculate(*arguments)
        if number % (calls // 10) == 0:
            marks.append(resident())
    elapsed = time.perf_counter() - began
    recording(calculator).close()
    cpu = time.process_time() - cpu
    last = resident()

    rows = sliced = wall = nested = slices = 0
    histogram = 0
    end = {}
    path = recording(calculator).run.path
    with path.open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            if record["event"] == "call":
                if record.get("sliced"):
                    sliced += 1
                else:
                    rows += 1
                    wall += record["wall_ns"]
            elif record["event"] == "slice":
                slices += 1
                rows += record["calls"]
                nested += record["nested"]
                wall += record["wall_ns"]
                histogram += sum(count for _, count in record["histogram"])
            elif record["event"] == "run_end":
                end = record["counters"]
    size = path.stat().st_size
    print(f"calls       {calls:,} in {elapsed:.1f} s, {elapsed / calls * 1e6:.2f} us each; CPU {cpu:.1f} s")
    print(f"journal     {size / 1e6:.1f} MB of {limit / 1e6:.0f} MB, {slices} slices")
    boxes = [each.stat().st_size / 1e6 for each in path.parent.glob(f"{path.stem}*.last")]
    print(f"black box   {' + '.join(f'{size:.1f}' for size in boxes) or 'none'} MB")
    print(f"counted     {rows:,} in rows and slices, {end['calls']:,} in run_end, {sliced} shown twice")
    print(f"wall        {wall / 1e9:.3f} s in calculate; {histogram:,} calls in histograms")
    print(f"memory      {first:.1f} MB, then {' '.join(f'{m:.1f}' for m in marks)}, end {last:.1f} MB")
    print(f"lost        {end['lost_rows']} rows, {end['faults']} faults")
    return rows == end["calls"] == calls and size <= 1.1 * limit and end["lost_rows"] == 0


if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp())
    numbers = [int(argument) for argument in sys.argv[1:]]
    sys.exit(0 if main(*(numbers + [10_000_000, LIMIT][len(numbers) :])) else 1)
