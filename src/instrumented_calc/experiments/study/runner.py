"""Runs the cells of an experiment, one at a time, each in a fresh process with pinned threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from instrumented_calc.analysis.study.cells import FAILED, NUMPY, STALLED, StudyCell, usable
from instrumented_calc.analysis.study.hotspots import ProfiledMode
from instrumented_calc.analysis.study.values import compare, tolerance_of
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import check_number, check_time_limit
from instrumented_calc.experiments.study.hotspots import profiled_tasks
from instrumented_calc.experiments.study.plan import tasks_of
from instrumented_calc.experiments.study.task import Capabilities
from instrumented_calc.experiments.study.workloads import find_workload
from instrumented_calc.journal.decoding import converted, decoder
from instrumented_calc.journal.new_file import fcntl
from instrumented_calc.journal.vocabulary import THREAD_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from instrumented_calc.analysis.study.checks import Problem
    from instrumented_calc.experiments.study.plan import Plan
    from instrumented_calc.experiments.study.task import Task
    from instrumented_calc.integration import Workload

CELLS = "cells"
LOCK = ".lock"
PROBE_LIMIT_S = 300.0
Answer = TypeVar("Answer", StudyCell, ProfiledMode)
LAST_MOMENT_S = 1.0  # for a stalled process to report its stack


@dataclass
class StudyRun:
    """Result of an experiment.

    Attributes:
        cells: All cells, including those that stalled or failed.
        machine: The machine's capabilities.
        differing: Differences found between values.
        notes: Further notes for the user.
        hotspots: cProfile result of each mode, if requested.
    """

    cells: list[StudyCell] = field(default_factory=list)
    machine: Capabilities = field(default_factory=Capabilities)
    differing: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hotspots: list[ProfiledMode] = field(default_factory=list)


def run_study(
    plan: Plan,
    output: Path,
    *,
    time_limit_s: float = 120.0,
    tolerance: float | None = None,
    on_cell: Callable[[str, int, int], None] = lambda *_: None,
) -> StudyRun:
    """Run all cells of an experiment, and compare their values.

    Args:
        plan: The plan.
        output: Folder of journals and values; created if needed, earlier cells are removed.
        time_limit_s: Time limit for a cell, s; a cell that takes longer has stalled.
        tolerance: Largest difference between values, relative to the largest one; by dtype where None.
        on_cell: Called before each cell, and at the end, with its name, the cells done and their number.

    Raises:
        ExperimentError: The experiment cannot run as requested.
        ModelError: The workload cannot be built.
    """
    check_time_limit(time_limit_s)
    if tolerance is not None:
        check_number("tolerance", tolerance, 0.0, 1.0)
    workload = find_workload(plan.workload)
    with _own(output / CELLS) as folder:
        return _run_in(plan, workload, folder, time_limit_s, tolerance, on_cell)


def _run_in(  # noqa: PLR0913, PLR0917 - those of `run_study`
    plan: Plan,
    workload: Workload,
    folder: Path,
    time_limit_s: float,
    tolerance: float | None,
    on_cell: Callable[[str, int, int], None],
) -> StudyRun:
    on_cell("capabilities of the machine", 0, 0)
    machine = ask_machine(plan.threads)
    tasks, notes = tasks_of(plan, workload, machine, folder)
    run = StudyRun(machine=machine, notes=notes)
    lost: set[tuple[str, str, str]] = set()
    for done, task in enumerate(tasks):
        if task.key in lost:
            continue
        on_cell(f"{task.file} {task.mode} {task.tag}, replicate {task.rep}", done, len(tasks))
        cell = run_task(task, time_limit_s)
        if cell.status in (STALLED, FAILED):
            lost.add(task.key)  # a workload that stalled once would take the time limit each time
        run.cells.append(cell)
    if plan.cprofile:
        whole = [each for each in tasks if each.key not in lost]
        _profile(profiled_tasks(whole, plan, workload), run, time_limit_s, on_cell)
    on_cell("", len(tasks), len(tasks))
    run.differing = compare_cells(run.cells, tasks, tolerance)
    return run


def _profile(
    tasks: Sequence[Task], run: StudyRun, time_limit_s: float, on_cell: Callable[[str, int, int], None]
) -> None:
    """Run cells under cProfile, after all others; a failure there is a note, since no figure is missing."""
    for done, task in enumerate(tasks):
        on_cell(f"{task.file} {task.mode} {task.tag}, under cProfile", done, len(tasks))
        found = _run_child(task, time_limit_s, ProfiledMode)
        if isinstance(found, ProfiledMode):
            run.hotspots.append(found)
        else:
            run.notes.append(f"no hotspots of {task.mode}: {found.status} under cProfile: {found.why}")


@contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """Create the folder of cells and empty it; old cells would be mistaken for new ones."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            message = f"{folder} is a link, and old cells there would be deleted: give another --output"
            raise ExperimentError(message)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.fdopen(os.open(folder / LOCK, flags, 0o666), "wb")
    except OSError as error:
        message = f"cannot write {folder}: {error.strerror}; give another --output"
        raise ExperimentError(message) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another study is writing to {folder}: wait for it, or give another --output"
            raise ExperimentError(message) from error
        except OSError:  # not essential on file systems without locks
            pass
        for path in folder.iterdir():
            if path.suffix in (".jsonl", ".json", ".npz"):
                path.unlink()
        yield folder


def pinned(threads: int) -> dict[str, str]:
    """Return the environment of a cell.

    Args:
        threads: Threads per library.
    """
    return {**os.environ, **dict.fromkeys(THREAD_COUNTS, str(threads)), "INSTRUMENTED_CALC": "on"}


def ask_machine(threads: int) -> Capabilities:
    """Return torch's capabilities on this machine, measured in a separate process.

    Args:
        threads: Threads per library.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "machine.json"
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                Capabilities.command(str(answer)),
                env=pinned(threads),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=PROBE_LIMIT_S,
            )
        try:
            return decoder(Capabilities).decode(answer.read_bytes())
        except (OSError, msgspec.DecodeError):
            return Capabilities()


def run_task(task: Task, time_limit_s: float) -> StudyCell:
    """Run one cell; if it fails or stalls it has no times.

    Args:
        task: The task.
        time_limit_s: Its time limit, s.
    """
    return _run_child(task, time_limit_s, StudyCell)


def _run_child(task: Task, time_limit_s: float, kind: type[Answer]) -> Answer | StudyCell:
    """Return the result of a cell, or a cell without times if it failed or stalled."""
    with subprocess.Popen(
        task.command(),
        env=pinned(task.threads),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=time_limit_s)
        except subprocess.TimeoutExpired:
            where = _last_place(process)
            return _without_times(task, STALLED, f"no end after {time_limit_s:g} s{where}")
        finally:
            # Child processes of the cell, such as compilers and workers, are killed with it.
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    if process.returncode < 0:
        return _without_times(task, FAILED, f"ended by {signal.Signals(-process.returncode).name}")
    if process.returncode:
        words = lines[-1].strip().removeprefix("error: ") if lines else f"exit code {process.returncode}"
        return _without_times(task, FAILED, words)
    try:
        answer: Any = json.loads(Path(f"{task.stem}.json").read_text(encoding="utf-8"))
        return converted(answer, kind)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        return _without_times(task, FAILED, f"no answer: {error}")


def _last_place(process: subprocess.Popen[bytes]) -> str:
    """Return where a stalled process was, from the stack it prints on request."""
    with suppress(OSError, AttributeError):
        process.send_signal(signal.SIGUSR1)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=LAST_MOMENT_S)
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    _, said = process.communicate()
    frames = [line.strip() for line in said.decode(errors="replace").splitlines() if '  File "' in line]
    if not frames:
        return ""
    place = frames[0].removeprefix('File "').replace('", line ', ":")
    return f", at {place}"


def _without_times(task: Task, status: str, why: str) -> StudyCell:
    return StudyCell(
        file=task.file,
        mode=task.mode,
        tag=task.tag,
        rep=task.rep,
        n_atoms=0,
        species=0,
        status=status,
        why=why,
    )


def compare_cells(
    cells: Sequence[StudyCell], tasks: Sequence[Task], tolerance: float | None
) -> list[Problem]:
    """Return where values differ from those of NumPy or, without NumPy, of the first cell of the same input.

    Args:
        cells: The cells.
        tasks: Their tasks.
        tolerance: Largest difference, relative to the largest value; by dtype where None.
    """
    stems = {(*task.key, task.rep): task.stem for task in tasks}
    done = usable(cells)
    found = []
    for file in dict.fromkeys(each.file for each in done):
        ours = sorted((each for each in done if each.file == file), key=_nearest_to_the_truth)
        reference = _values(stems[(*ours[0].key, ours[0].rep)])
        reported = set()
        for cell in ours[1:]:
            if cell.key in reported:
                continue
            who = f"{cell.mode} {cell.tag}"
            allowed = tolerance_of(cell.tag, ours[0].tag) if tolerance is None else tolerance
            problem = compare(file, reference, _values(stems[(*cell.key, cell.rep)]), who, allowed)
            if problem is not None:
                reported.add(cell.key)
                # NumPy is the reference of all torch modes of its dtype.
                tag = cell.tag.partition(" ")[0] if cell.mode == NUMPY else cell.tag
                found.append(replace(problem, tag=tag))
    return found


def _nearest_to_the_truth(cell: StudyCell) -> tuple[float, bool, int]:
    return tolerance_of(cell.tag), cell.mode != NUMPY, cell.rep


def _values(stem: str) -> Mapping[str, Any]:
    with np.load(f"{stem}.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
