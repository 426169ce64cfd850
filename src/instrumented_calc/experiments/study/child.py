"""One cell in a process of its own: `python -m instrumented_calc.experiments.study.child TASK`.

The parent process set the thread variables before any library was loaded; torch's own pools are set as soon
as it is loaded. Import, start-up and warm-up are not timed. The timing comes first, with our own clocks and
without a recorder; then the same is repeated a few times in a recorded run, for the evidence.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.study.cells import NUMPY
from instrumented_calc.errors import ExperimentError, InstrumentedCalcError
from instrumented_calc.experiments.study.evidence import thread_variables
from instrumented_calc.experiments.study.task import PROBE, Task
from instrumented_calc.journal.new_file import create, replace
from instrumented_calc.own_process import resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.integration import Case, Setting

FEWEST, MOST = 3, 1001
MOST_RECORDED = 20


class CallableCalculator:
    """A callable as a calculator, so that it can be recorded."""

    def __init__(self, evaluate: Callable[[], Any]) -> None:
        self._evaluate = evaluate
        self.results: dict[str, Any] = {}

    def calculate(self, atoms: Any = None, properties: Any = (), changes: Any = ()) -> None:
        """Compute; the arguments are ASE's."""
        del atoms, properties, changes
        found = self._evaluate()
        self.results = found if isinstance(found, dict) else {"value": found}


def run(task: Task, threads: dict[str, str]) -> dict[str, Any]:
    """Run a cell.

    Args:
        task: The task.
        threads: Thread variables at the start of the process.

    Returns:
        The cell as JSON; under cProfile, its result.
    """
    from instrumented_calc.analysis.study.cells import StudyCell, products_of
    from instrumented_calc.experiments.study.evidence import (
        count_torch_operations,
        pin_torch,
        testify,
    )
    from instrumented_calc.experiments.study.workloads import find_workload
    from instrumented_calc.integration import Setting

    if task.mode != NUMPY:
        _load_torch()
        pin_torch(task.threads)
    case = next(each for each in find_workload(task.workload).cases if each.file == task.file)
    setting = Setting(task.mode, task.dtype, task.device, task.compiled)
    built = case.build(setting)
    pin_torch(task.threads)  # if the workload loaded it first
    calc = built if hasattr(built, "calculate") else CallableCalculator(built)
    asked = case.atoms, list(case.properties), _changes(case)

    def evaluate() -> None:
        calc.calculate(*asked)

    for _ in range(task.warmups):
        _timed(evaluate, setting)
    if task.cprofile:
        from instrumented_calc.experiments.study.hotspots import profile

        return asdict(profile(evaluate, task))
    figures, blocks = _measure(evaluate, setting, task.seconds)
    _save_values(calc, task)
    journal = _recorded(calc, asked, task)
    # If einsums were already seen, no slower check is needed.
    operations = None if _has_einsum(journal) else count_torch_operations(evaluate, compiled=task.compiled)
    cell = StudyCell(
        file=task.file,
        mode=task.mode,
        tag=task.tag,
        rep=task.rep,
        n_atoms=case.n_atoms,
        species=case.species,
        products=products_of(case.symbols),
        pairs=None if case.pairs is None else int(case.pairs(built)),
        warmups=task.warmups,
        stages=_stages(journal),
        executed=testify(journal, operations, blocks, threads),
        **figures,
    )
    return asdict(cell)


def _load_torch() -> None:
    try:
        import_module("torch")
    except ImportError as error:
        message = f"torch cannot be imported ({error}): pip install 'instrumented-calc[torch]'"
        raise ExperimentError(message) from error


def _changes(case: Case) -> list[str]:
    if case.atoms is None:
        return []
    from ase.calculators.calculator import all_changes

    return list(all_changes)


def _timed(evaluate: Callable[[], None], setting: Setting) -> tuple[int, int, int, int]:
    """Return the times of one evaluation: wall, computation, conversion in and out, ns."""
    setting.into_ns = setting.compute_ns = setting.out_ns = 0
    wait = _waiter(setting)
    start = perf_counter_ns()
    evaluate()
    wait()
    return perf_counter_ns() - start, setting.compute_ns, setting.into_ns, setting.out_ns


def _waiter(setting: Setting) -> Callable[[], None]:
    if setting.mode == NUMPY or setting.device == "cpu":
        return lambda: None
    wait: Callable[[], None] = getattr(sys.modules["torch"], setting.device.partition(":")[0]).synchronize
    return wait


def _measure(evaluate: Callable[[], None], setting: Setting, seconds: float) -> tuple[dict[str, Any], int]:
    """Time for about this long; return the evaluation of median duration, whose parts are consistent."""
    once = _timed(evaluate, setting)[0]
    number = min(max(int(seconds * 1e9 / max(once, 1)), FEWEST), MOST) | 1
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    start, busy = perf_counter_ns(), process_time_ns()
    rows = [_timed(evaluate, setting) for _ in range(number)]
    elapsed, busy = perf_counter_ns() - start, process_time_ns() - busy
    blocks = resource.getrusage(resource.RUSAGE_SELF).ru_inblock - before
    wall, compute, into, out = sorted(rows)[number // 2]
    # A mode without its own timing has unknown parts: absent, not 0.
    marked = bool(compute or into or out)
    figures = {
        "wall_s": wall / 1e9,
        "compute_s": compute / 1e9 if compute else None,
        "conv_in_s": into / 1e9 if marked else None,
        "conv_out_s": out / 1e9 if marked else None,
        "evaluations": number,
        "util": busy / max(elapsed, 1),
    }
    return figures, blocks


def _save_values(calc: Any, task: Task) -> None:
    import numpy as np

    from instrumented_calc.experiments.study.arrays import as_arrays

    with os.fdopen(create(f"{task.stem}.npz"), "wb") as file:
        np.savez(file, **as_arrays(calc.results))  # type: ignore[arg-type]  # names of quantities


def _recorded(calc: Any, asked: tuple[Any, ...], task: Task) -> Any:
    """Evaluate a few more times in a recorded run, and return its journal."""
    from instrumented_calc.api import profiled, recording
    from instrumented_calc.journal.reader import read_journal

    with profiled(calc, f"{task.stem}.jsonl", trace="off", summary=False) as recorded:
        start = perf_counter_ns()
        for _ in range(MOST_RECORDED):
            recorded.calculate(*asked)
            if perf_counter_ns() - start > task.seconds * 1e9:
                break
        path = recording(recorded).run.path
    if path is None:
        message = "nothing was recorded (INSTRUMENTED_CALC=off?): a study needs this evidence"
        raise ExperimentError(message)
    return read_journal(path)


def _has_einsum(journal: Any) -> bool:
    return any(
        each.library == "torch" and each.calls
        for record in journal.contractions
        for each in record.contractions
    )


def _stages(journal: Any) -> dict[str, float]:
    """Return each part's mean time in the recorded evaluations, s."""
    return {name: float(column.mean()) / 1e9 for name, column in journal.calls.components.items()}


def main() -> int:
    """Run the task of the command line and write the result; an error is one line on stderr."""
    threads = thread_variables()
    with suppress(AttributeError):  # not on every platform; the stack of a stalled cell is requested
        faulthandler.register(signal.SIGUSR1, all_threads=False)
    try:
        if sys.argv[1] == PROBE:
            from instrumented_calc.experiments.study.probe import probe

            replace(sys.argv[2], json.dumps(asdict(probe())).encode())
            return 0
        task = Task(**json.loads(sys.argv[1]))
        answer = run(task, threads)
        replace(f"{task.stem}.json", json.dumps(answer).encode())
    except InstrumentedCalcError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - read by the parent process
        return 1
    except Exception as error:  # noqa: BLE001 - a workload may raise anything: its message is kept
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - read by the parent process
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
