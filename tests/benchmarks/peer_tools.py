"""Other ways to learn where time goes, each switched on as its documentation says."""

from __future__ import annotations

import cProfile
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ase.calculators.loggingcalc import LoggingCalculator
from tests.benchmarks.workloads import Block, Wrap

from instrumented_calc import ProfiledCalculator

Prepare = Callable[[Wrap], Block]
BARE = "bare again"
_running: list[Any] = []  # tools that are on until their process ends


class Tool(NamedTuple):
    """A tool.

    Attributes:
        name: As the table shows it.
        attach: Switches it on in this process, and returns the block to time.
        command: What a script is started with instead.
        library: Distribution that it needs.
        sees: Library that a workload must use for the tool to see anything.
    """

    name: str
    attach: Callable[[Prepare], Block] = lambda prepare: prepare(bare)
    command: tuple[str, ...] = ()
    library: str = ""
    sees: str = ""


def bare(calc: Any) -> Any:
    return calc


def quietly(calc: Any) -> Any:
    return ProfiledCalculator(calc, summary=False)


def by_cprofile(prepare: Prepare) -> Block:
    block = prepare(bare)

    def profiled_block() -> None:
        profiler = cProfile.Profile()
        profiler.enable()
        try:
            block()
        finally:
            profiler.disable()

    return profiled_block


def by_hand(calc: Any) -> Any:
    """Log each call with its time, memory and CPU time, as one writes it with psutil and structlog."""
    import psutil
    import structlog

    structlog.configure(
        processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(open("calls.jsonl", "w", encoding="utf-8")),  # noqa: SIM115, PTH123 - until the process ends
    )
    log, process, original = structlog.get_logger(), psutil.Process(), calc.calculate

    def calculate(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = original(*args, **kwargs)
        log.info(
            "call",
            wall_s=time.perf_counter() - start,
            rss=process.memory_info().rss,
            cpu_s=process.cpu_times().user,
            n_atoms=len(calc.atoms or ()),
        )
        return result

    calc.calculate = calculate
    return calc


def by_pyinstrument(prepare: Prepare) -> Block:
    from pyinstrument import Profiler

    block = prepare(bare)
    _running.append(Profiler(async_mode="disabled"))
    _running[-1].start()
    return block


def by_viztracer(prepare: Prepare) -> Block:
    from viztracer import VizTracer

    block = prepare(bare)
    _running.append(VizTracer(verbose=0))
    _running[-1].start()
    return block


def by_memray(prepare: Prepare) -> Block:
    import memray

    block = prepare(bare)
    _running.append(memray.Tracker("memray.bin"))
    _running[-1].__enter__()
    return block


def by_torch(prepare: Prepare) -> Block:
    from torch.profiler import ProfilerActivity, profile

    block = prepare(bare)
    _running.append(profile(activities=[ProfilerActivity.CPU]))
    _running[-1].__enter__()
    return block


IN_PROCESS = (
    Tool(BARE),
    Tool("instrumented-calc", lambda prepare: prepare(quietly)),
    Tool("psutil + structlog by hand", lambda prepare: prepare(by_hand), library="structlog"),
    Tool("ASE LoggingCalculator", lambda prepare: prepare(LoggingCalculator)),
    Tool("cProfile", by_cprofile),
    Tool("pyinstrument", by_pyinstrument, library="pyinstrument"),
    Tool("viztracer", by_viztracer, library="viztracer"),
    Tool("memray", by_memray, library="memray"),
    Tool("torch.profiler", by_torch, library="torch", sees="torch"),
)
PYTHON = (sys.executable,)
PY_SPY = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or "py-spy"
OUTSIDE = (
    Tool(BARE, command=PYTHON),
    Tool("instrumented-calc run", command=(*PYTHON, "-m", "instrumented_calc", "run")),
    Tool("cProfile", command=(*PYTHON, "-m", "cProfile", "-o", "cprofile.out")),
    Tool(
        "py-spy record",
        command=(PY_SPY, "record", "--format", "raw", "-o", "py-spy.txt", "--", *PYTHON),
        library="py-spy",
    ),
    Tool(
        "scalene run --cpu-only", command=(*PYTHON, "-m", "scalene", "run", "--cpu-only"), library="scalene"
    ),
)
