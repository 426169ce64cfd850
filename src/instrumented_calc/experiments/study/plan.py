"""The cells of an experiment, and their order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.study.cells import MODES, NUMPY
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import (
    LONGEST_LIMIT_S,
    MOST_REPLICATES,
    MOST_STEPS,
    MOST_THREADS,
    check_number,
    check_seed,
    check_whole,
)
from instrumented_calc.experiments.study.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.experiments.study.task import Capabilities
    from instrumented_calc.integration import Workload

HALF = "float16"
BYTES = {"float64": 8, "float32": 4, HALF: 2}


@dataclass(frozen=True)
class Plan:
    """The requested experiment.

    Attributes:
        workload: As the user types it.
        modes: Modes from `MODES`.
        dtypes: Dtypes of the torch modes, and of `numpy_only` where supported.
        devices: Devices of torch.
        engines: `eager`, `compiled` or both.
        reps: Replicates of each cell.
        threads: Threads per library.
        warmups: Evaluations before the timed ones.
        seconds: Approximate timed duration of a cell.
        seed: Seed of the order.
        cprofile: Whether each mode runs once more, under cProfile.
    """

    workload: str
    modes: tuple[str, ...] = MODES
    dtypes: tuple[str, ...] = ("float64",)
    devices: tuple[str, ...] = ("cpu",)
    engines: tuple[str, ...] = ("eager",)
    reps: int = 5
    threads: int = 1
    warmups: int = 2
    seconds: float = 0.3
    seed: int = 0
    cprofile: bool = False

    def __post_init__(self) -> None:
        """Check the ranges of the numbers.

        Raises:
            ExperimentError: A number is out of range.
        """
        check_whole("reps", self.reps, 1, MOST_REPLICATES)
        check_whole("threads", self.threads, 1, MOST_THREADS)
        check_whole("warmups", self.warmups, 0, MOST_STEPS)
        check_number("seconds", self.seconds, 0.0, LONGEST_LIMIT_S)
        check_seed(self.seed)


def tasks_of(
    plan: Plan, workload: Workload, machine: Capabilities, output: Path
) -> tuple[list[Task], list[str]]:
    """Return the cells in order of execution, and notes on skipped ones.

    All cells of a replicate run before those of the next, each replicate in a different order: a slow drift
    affects all modes equally.

    Args:
        plan: The plan.
        workload: Its inputs.
        machine: The machine's capabilities.
        output: Folder of their files.

    Raises:
        ExperimentError: No cells remain, a mode or dtype is unknown, or torch is missing.
    """
    _check(plan, machine)
    kinds, notes = _kinds(plan, workload, machine)
    if not kinds:
        message = f"no cell can run here:  {'; '.join(notes)}"
        raise ExperimentError(message)
    shuffled = random.Random(plan.seed)  # noqa: S311 - no secret
    tasks = []
    for rep in range(1, plan.reps + 1):
        round_ = [(case.file, *kind) for case in workload.cases for kind in kinds]
        shuffled.shuffle(round_)
        tasks += [_task(plan, rep, output, *each) for each in round_]
    return tasks, notes


def _check(plan: Plan, machine: Capabilities) -> None:
    for names, known, option in (
        (plan.modes, MODES, "--modes"),
        (plan.dtypes, tuple(BYTES), "--dtypes"),
        (plan.engines, ("eager", "compiled"), "--engines"),
    ):
        wrong = [each for each in names if each not in known]
        if wrong or not names:
            message = f"{option} {','.join(wrong) or 'is empty'}: use {', '.join(known)}"
            raise ExperimentError(message)
    if not machine.torch and set(plan.modes) != {NUMPY}:
        message = "the torch modes need torch: pip install 'instrumented-calc[torch]', or --modes numpy_only"
        raise ExperimentError(message)


def _kinds(
    plan: Plan, workload: Workload, machine: Capabilities
) -> tuple[list[tuple[str, str, str, bool]], list[str]]:
    """Return mode, dtype, device and compilation of all possible cells, and why others are skipped."""
    notes: dict[str, None] = {}
    kinds: dict[tuple[str, str, str, bool], None] = {}
    in_numpy = workload.numpy_dtypes
    in_torch = workload.torch_dtypes
    for dtype in plan.dtypes:
        if NUMPY in plan.modes:
            kinds[NUMPY, dtype if dtype in in_numpy else in_numpy[0], "cpu", False] = None
            if dtype not in in_numpy:
                notes[f"{workload.name} has no {dtype} in NumPy: it is compared with {in_numpy[0]}"] = None
        for device in plan.devices:
            why = _cannot(dtype, device, in_torch, machine)
            if why:
                notes[why] = None
                continue
            for mode in plan.modes:
                if mode != NUMPY:
                    kinds |= dict.fromkeys((mode, dtype, device, each == "compiled") for each in plan.engines)
    return [*kinds], [*notes]


def _cannot(dtype: str, device: str, in_torch: tuple[str, ...], machine: Capabilities) -> str:
    if device not in machine.devices:
        return f"skipped: torch has no {device} here"
    if dtype not in in_torch:
        return f"skipped: the workload has no {dtype} in torch"
    if device == "mps" and dtype == "float64":
        return "skipped: mps has no float64"
    if dtype == HALF and device not in machine.half:
        return f"skipped: {device} has no float16"
    return ""


def _task(  # noqa: PLR0913, PLR0917 - the settings of a cell
    plan: Plan, rep: int, output: Path, file: str, mode: str, dtype: str, device: str, compiled: bool
) -> Task:
    engine = "compiled" if compiled else "eager"
    name = f"{file.removesuffix('.xyz')}-{mode}-{dtype}-{device}-{engine}-r{rep}"
    return Task(
        workload=plan.workload,
        file=file,
        mode=mode,
        dtype=dtype,
        device=device,
        compiled=compiled,
        rep=rep,
        threads=plan.threads,
        warmups=plan.warmups,
        seconds=plan.seconds,
        stem=str(output / name.replace("/", "_")),
    )
