"""One run of `instrumented-calc try`, in its own process: `python -m instrumented_calc.cli.try_child JSON`.

Nothing here imports numpy or ASE before the program does: a program may set thread variables first.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.cli.script import Script
from instrumented_calc.experiments.trial.import_hooks import when_imported
from instrumented_calc.experiments.trial.meter import Meter
from instrumented_calc.experiments.trial.process_notes import ProcessNotes
from instrumented_calc.experiments.trial.task import TrialTask, read_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.integration import Remedy

FOREVER = 10**9  # steps; the meter ends the dynamics


def main() -> None:
    """Run the program of the command line's task."""
    task = TrialTask.read(sys.argv[1])
    os.chdir(task.folder)
    remedies = _remedies(task)
    evidence = _RecordedProgram(task) if task.journal else None
    meter = Meter(
        Path(task.result),
        task.calls,
        task.seconds,
        at_first_call=lambda calc: _at_first_call(remedies, evidence, calc),
        before_end=lambda: None if evidence is None else evidence.close(),
    )
    for remedy in remedies:
        if remedy.before_script is not None:
            remedy.before_script()
        for module, action in remedy.at_import.items():
            when_imported(module, action)
    when_imported("ase", lambda ase: _watch(ase, evidence, meter))
    program = _program(task)
    try:
        program()
    finally:
        if evidence is not None:
            evidence.close()
        meter.save()


def _remedies(task: TrialTask) -> list[Remedy]:
    if not task.remedies:
        return []
    from instrumented_calc.experiments.trial.remedies.catalogue import remedies_named

    return remedies_named(read_facts(task.facts), task.remedies)


def _at_first_call(remedies: list[Remedy], evidence: _RecordedProgram | None, calc: Any) -> None:
    if evidence is not None:
        evidence.begin()
    for remedy in remedies:
        if remedy.at_first_call is not None:
            remedy.at_first_call(calc)


def _watch(ase: Any, evidence: _RecordedProgram | None, meter: Meter) -> None:
    if evidence is not None:
        evidence.record()
    meter.install(ase)


def _program(task: TrialTask) -> Callable[[], None]:
    if task.words:
        return Script(task.words, is_module=task.is_module).execute
    return lambda: _dynamics(task)


def _dynamics(task: TrialTask) -> None:
    from ase import units
    from ase.md.verlet import VelocityVerlet

    from instrumented_calc.experiments.calculators import build_calculator
    from instrumented_calc.experiments.systems import build_system

    system = build_system(task.system, task.n_atoms, seed=task.seed)
    system.atoms.calc = build_calculator(task.calc)
    VelocityVerlet(system.atoms, system.timestep_fs * units.fs).run(FOREVER)


class _RecordedProgram:
    """The journal of the program as it is, and what a journal does not hold."""

    def __init__(self, task: TrialTask) -> None:
        self._task = task
        self._assigned: Any = None
        self._closed = False
        self._notes = ProcessNotes()

    def begin(self) -> None:
        """Note the start of the first calculation."""
        self._notes.begin()

    def record(self) -> None:
        from instrumented_calc.api import Assigned

        self._assigned = Assigned(self._task.journal, summary=False)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        Path(self._task.notes).write_text(json.dumps(self._notes.read()), encoding="utf-8")
        if self._assigned is not None:
            self._assigned.close()


if __name__ == "__main__":
    main()
