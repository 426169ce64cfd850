"""The cost of recording beside that of other profilers and of logging by hand, in one run.

    python -m tests.benchmarks.peers [--only EMT] [--tools cProfile] [--write README.md docs/guide/cost.md]

In process: each tool runs the workload in a process of its own, is on from its start, and plays for some
seconds before anything counts; blocks of base / tool / base are interleaved, the tools in random order, in
CPU time of the calling thread. What a tool does at its end (torch.profiler's table, viztracer's file) is not
in it. Whole processes: tools that watch from
outside, and some others, run the workload as a script, in turn with the bare one, in CPU time of all
processes and threads of a run, start and end included. Ours is in both. Intervals are 95 % for the ratio, by
Student's t over the generations of processes, or over the runs. `bare again` is the same measurement without
any tool: what lies inside its interval was not seen. What could not be measured is absent, with the reason.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module, metadata
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.peer_tools import BARE, IN_PROCESS, OUTSIDE, PYTHON
from tests.benchmarks.peers_table import Cell, Column, rendered, written
from tests.benchmarks.players import Player, cpu, warmed
from tests.benchmarks.workloads import MODELS, WORKLOADS

from instrumented_calc.analysis.comparison.sequential import ALPHA, interval_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.peer_tools import Tool
    from tests.benchmarks.workloads import Workload


ROOT = Path(__file__).parents[2]
SCRIPT = "from tests.benchmarks.workloads import run\n\nrun({name!r}, {calls})\n"
ALL = (*WORKLOADS[1:], *MODELS)
WHOLE = "EMT, 32 atoms, MD"  # of which whole processes are measured
LONGEST_S = 120
FEWEST_ROUNDS = 2
LIBRARIES = ("numpy", "ase", "torch", "pyinstrument", "viztracer", "scalene", "py-spy", "memray")


class Effort(NamedTuple):
    """How much is measured.

    Attributes:
        generations: How often all processes are made anew: each has its own luck of memory layout.
        rounds: Blocks of each tool in a generation.
        warm_up: Seconds that each process plays before.
        longest: Seconds after which a generation begins no further round, after two.
        runs: Whole processes of each tool.
        seconds: CPU time of a whole bare process, about.
    """

    generations: int
    rounds: int
    warm_up: float
    longest: float
    runs: int
    seconds: float


def missing(distributions: Sequence[str]) -> str:
    """Return why there is nothing to measure; empty if nothing is missing."""
    absent = [each for each in distributions if not version(each)]
    return f"{', '.join(absent)} not installed" if absent else ""


def version(distribution: str) -> str:
    """Return the installed version; empty if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def reason_against(tool: Tool, workload: Workload) -> str:
    if tool.library and (reason := missing([tool.library])):
        return reason
    if tool.sees and tool.sees not in workload.libraries:
        return f"sees {tool.sees} only"
    return ""


def chosen_from(tools: Sequence[Tool], words: Sequence[str]) -> tuple[Tool, ...]:
    """Return the tools whose names hold one of the words, and the bare workload."""
    return tuple(each for each in tools if each.name == BARE or any(word in each.name for word in words))


def in_process(workload: Workload, inside: Sequence[Tool], effort: Effort) -> Column:
    """Measure the tools that work in the process of the workload."""
    cells = {each.name: Cell(reason=reason_against(each, workload)) for each in inside}
    ratios: dict[str, list[float]] = {}
    bases: list[float] = []
    for _ in range(effort.generations):
        tools = [each for each in inside if not cells[each.name].reason]
        for name, found in generation(workload, tools, effort, bases).items():
            if found:
                ratios.setdefault(name, []).append(statistics.median(found))
            else:
                cells[name] = Cell(reason="fails on this workload")
    for name, found in ratios.items():
        if not cells[name].reason:
            cells[name] = Cell(ratio=interval_of(found, ALPHA))
    return Column(workload.name, statistics.median(bases) / workload.calls, cells)


def generation(
    workload: Workload, tools: Sequence[Tool], effort: Effort, bases: list[float]
) -> dict[str, list[float]]:
    """Return logarithms of the ratios of each tool, none if it fails; add times of bare blocks to `bases`."""
    base = Player(lambda: workload.prepare(lambda calc: calc))
    players = {each.name: Player(lambda each=each: each.attach(workload.prepare)) for each in tools}
    found: dict[str, list[float]] = {name: [] for name in players}
    warmed((base, *players.values()), effort.warm_up)
    before = base.cpu()
    until = time.monotonic() + effort.longest
    for number in range(effort.rounds):
        if number >= FEWEST_ROUNDS and time.monotonic() > until:
            break
        for name in random.sample(list(players), len(players)):
            try:
                taken = players[name].cpu()
            except (EOFError, OSError):  # its process has ended, with a traceback
                players.pop(name)
                found[name] = []
                continue
            after = base.cpu()
            bases.append(after)
            found[name].append(math.log(2 * taken / (before + after)))
            before = after
    for player in (base, *players.values()):
        player.stop()
    return found


def outside(workload: Workload, watching: Sequence[Tool], effort: Effort) -> Column:
    """Measure whole processes, the bare one before and after each."""
    per_call = cpu(workload.prepare(lambda calc: calc)) / workload.calls
    calls = max(workload.calls, round(effort.seconds * 1e9 / per_call))
    script = SCRIPT.format(name=workload.name, calls=calls)
    cells = {each.name: Cell(reason=reason_against(each, workload)) for each in watching}
    ratios: dict[str, list[float]] = {}
    bases = [whole(PYTHON, script)]
    for _ in range(effort.runs):
        tools = [each for each in watching if not cells[each.name].reason]
        for tool in random.sample(tools, len(tools)):
            try:
                taken = whole(tool.command, script)
            except subprocess.TimeoutExpired:
                cells[tool.name] = Cell(reason=f"did not end within {LONGEST_S} s")
                continue
            except subprocess.CalledProcessError as error:
                cells[tool.name] = Cell(reason=f"ended with exit status {error.returncode}")
                continue
            bases.append(whole(PYTHON, script))
            ratios.setdefault(tool.name, []).append(math.log(2 * taken / (bases[-2] + bases[-1])))
    for name, found in ratios.items():
        if not cells[name].reason:
            cells[name] = Cell(ratio=interval_of(found, ALPHA))
    return Column(workload.name, statistics.median(bases), cells)


def whole(command: Sequence[str], script: str) -> float:
    """Return the CPU time of a command that starts a script, with all its processes, in ns."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "script.py").write_text(script, encoding="utf-8")
        subprocess.run(
            (*command, "script.py"),
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_S,
            check=True,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e9 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def machine() -> str:
    """Return in a sentence where this was measured, and what else the machine did."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine()
    )
    versions = [f"{name} {version(name)}" for name in LIBRARIES if version(name)]
    return f"{model}, {os.cpu_count()} processors; Python {platform.python_version()}, {', '.join(versions)}."


def load() -> str:
    reads = [cpu(lambda: [os.times() for _ in range(1000)]) / 1000 for _ in range(50)]
    return f"{os.getloadavg()[0]:.1f} (a system call takes {statistics.median(reads):.0f} ns)"


def measured(job: tuple[int, str, bool], words: Sequence[str], effort: Effort, *, pinned: bool) -> Column:
    """Measure a workload, in a process of its own.

    Args:
        job: A number, the workload's name, and whether whole processes are measured.
        words: Words of the tools' names.
        effort: How much is measured.
        pinned: Whether to keep to two processors, those of this number.
    """
    number, name, whole_runs = job
    if pinned:
        os.sched_setaffinity(0, {2 * number, 2 * number + 1})
    workload = next(each for each in ALL if each.name == name)
    for library in workload.libraries:  # once, instead of by each process that is forked from this one
        import_module(library.replace("-", "_"))
    if whole_runs:
        return outside(workload, chosen_from(OUTSIDE, words), effort)
    return in_process(workload, chosen_from(IN_PROCESS, words), effort)


def main() -> None:
    options = parse_options()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    effort = Effort(
        options.generations,
        options.rounds,
        options.warm_up,
        options.longest,
        options.runs,
        options.seconds,
    )
    chosen = [each for each in ALL if any(word in each.name for word in options.only)]
    reasons = {each.name: missing(each.libraries) for each in chosen}
    names = [name for name, reason in reasons.items() if not reason]
    wholes = [name for name in names if name == WHOLE]
    jobs = [*((name, False) for name in names), *((name, True) for name in wholes)]
    together = options.side_by_side
    work = partial(measured, words=options.tools, effort=effort, pinned=together > 1)
    state, columns = [load()], []
    with ProcessPoolExecutor(together, mp_context=get_context("spawn")) as pool:
        for column in pool.map(work, [(number, *job) for number, job in enumerate(jobs)]):
            columns.append(column)
            print(rendered([column], [], {}, ""), flush=True)
    state.append(load())
    words = f"{machine()} Load before and after: {' and '.join(state)}."
    absent = {name: reason for name, reason in reasons.items() if reason}
    block = rendered(columns[: len(names)], columns[len(names) :], absent, words)
    print(block)
    for page in options.write:
        page.write_text(written(page.read_text(encoding="utf-8"), block), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[""], help="words of the workloads' names")
    parser.add_argument("--tools", nargs="*", default=[""], help="words of the tools' names")
    parser.add_argument("--generations", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=10, help="of each generation, at most")
    parser.add_argument("--warm-up", type=float, default=5, help="seconds that each process plays before")
    parser.add_argument("--longest", type=float, default=30, help="seconds of a generation's rounds")
    parser.add_argument("--runs", type=int, default=5, help="whole processes of each tool")
    parser.add_argument("--seconds", type=float, default=3, help="CPU time of a whole process")
    parser.add_argument(
        "--side-by-side", type=int, default=1, help="workloads at a time, each on two processors of its own"
    )
    parser.add_argument("--write", nargs="*", type=Path, default=[], help="pages whose block is replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
