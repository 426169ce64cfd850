"""What a report on a fleet costs: by the processes of this machine, and by two workers of Dask.

    python -m tests.benchmarks.fleet_scale [journals] [folder]

The journals are simulated: each has the first record of a run that is recorded here, with its own name, node
and times, and 60 calls. Both reports must be the same.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import psutil
from ase.build import bulk
from ase.calculators.emt import EMT
from distributed import LocalCluster
from tests.fleets import Made, write_run

from instrumented_calc import profiled
from instrumented_calc.analysis.fleet.fleet import fleet_of
from instrumented_calc.cli.fleet_reading import BATCH, read_batch, read_one

FOLDER = 1000  # journals in a folder
NODES = 100
LARGE_CALLS = 20_000
REPEATS = 200


def recorded_environment(folder: Path) -> dict[str, Any]:
    """Return what a real run says of its machine, but for the node and the processor."""
    path = folder / "recorded.jsonl"
    atoms = bulk("Cu", cubic=True)
    with profiled(EMT(), path, trace="off", summary=False) as atoms.calc:
        atoms.get_forces()
    start = msgspec.json.decode(path.read_bytes().splitlines()[0])
    path.unlink()
    environment = start["environment"]
    return {name: value for name, value in environment.items() if name not in ("host", "cpu")}


def write_part(folder: Path, first: int, environment: dict[str, Any]) -> None:
    """Write a folder of journals."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + FOLDER):
        slow = 1.25 if number % NODES == 0 else 1.0
        usual = 10.0 * slow * (1 + 0.01 * (number * 7919 % 7))
        start = (("environment", dict(environment)),)
        made = Made(f"n{number % NODES}", usual, energy_ev=-number, start=start)
        write_run(folder / f"run-{number}.jsonl", made)


def cpu_ms(function: Any, number: int) -> float:
    """Return the processor time of one of so many calls, ms."""
    began = time.process_time()
    for each in range(number):
        function(each)
    return (time.process_time() - began) / number * 1e3


def per_journal(paths: list[Path], folder: Path) -> None:
    """Print what one journal costs."""
    sample = paths[:: max(len(paths) // REPEATS, 1)][:REPEATS]
    read_one(sample[0])
    size = sum(path.stat().st_size for path in sample) / len(sample)
    small = cpu_ms(lambda each: read_one(sample[each]), len(sample))
    large = write_run(folder / "large.jsonl", Made(calls=LARGE_CALLS))
    longer = cpu_ms(lambda _: read_one(large), 20)
    batch = paths[:BATCH]
    sent, back = len(pickle.dumps(batch)), len(pickle.dumps(read_batch(batch, Path.cwd())))
    runs = [read_one(path) for path in sample] * (10_000 // len(sample))
    judged = cpu_ms(lambda _: fleet_of(runs), 1) / len(runs)
    print(f"a journal of 60 calls: {size:,.0f} bytes, read in {small:.2f} ms of processor time")
    print(f"one of {LARGE_CALLS:,} calls: {large.stat().st_size:,} bytes, read in {longer:.1f} ms")
    print(f"to a worker {sent / len(batch):.0f} bytes per journal, back {back / len(batch):.0f}")
    print(f"judged together: {judged:.3f} ms per journal")
    large.unlink()


def report(pattern: str, output: Path, *options: str) -> tuple[float, float, float]:
    """Write a report in a process of its own; return wall and processor time in s, and its peak in MB.

    The time is that of the process and its children; the memory that of the process alone.
    """
    command = [sys.executable, "-m", "instrumented_calc", "report", pattern, "--fleet"]
    command += ["--output", str(output), *options]
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed with exit code {process.returncode}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print the figures."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2 * FOLDER
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        folder = Path(name)
        environment = recorded_environment(folder)
        firsts = range(0, number, FOLDER)
        with ProcessPoolExecutor(2) as pool:
            parts = [pool.submit(write_part, folder / f"{each:07}", each, environment) for each in firsts]
            for each in parts:
                each.result()
        paths = sorted(folder.glob("*/*.jsonl"))
        print(f"{len(paths):,} journals, load {os.getloadavg()[0]:.1f}")
        per_journal(paths, folder)
        pattern = str(folder / "*/*.jsonl")
        wall, cpu, peak = report(pattern, folder / "here.txt")
        print(f"this machine: {wall:.0f} s, processor time {cpu:.0f} s, peak of the driver {peak:.0f} MB")
        options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": None, "dashboard_address": ":0"}
        with LocalCluster(**options) as cluster:
            before, _ = workers_of(cluster)
            address = cluster.scheduler_address
            wall, cpu, peak = report(pattern, folder / "there.txt", "--scheduler-address", address)
            after, largest = workers_of(cluster)
        print(
            f"Dask: {wall:.0f} s, processor time {cpu:.0f} s (driver) and {after - before:.0f} s (workers),"
        )
        print(f"  peak of the driver {peak:.0f} MB, largest worker afterwards {largest:.0f} MB")
        same = (folder / "here.txt").read_bytes() == (folder / "there.txt").read_bytes()
        print("the reports are the same" if same else "THE REPORTS DIFFER")
        sys.exit(not same)


def workers_of(cluster: Any) -> tuple[float, float]:
    """Return the processor time of all workers, s, and the resident memory of the largest, MB."""
    processes = [psutil.Process(each.pid) for each in cluster.workers.values()]
    times = [process.cpu_times() for process in processes]
    largest = max(process.memory_info().rss for process in processes)
    return sum(each.user + each.system for each in times), largest / 1e6


if __name__ == "__main__":
    main()
