"""One run of the program in a fresh process, and its result."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from instrumented_calc.analysis.trial.metered_run import MeteredRun
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.trial.task import TrialTask
from instrumented_calc.experiments.trial.working_copy import WorkingCopy
from instrumented_calc.journal.beginning import is_journal
from instrumented_calc.journal.vocabulary import JOURNALS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.experiments.trial.task import TriedProgram
    from instrumented_calc.integration import Remedy

OUTPUT = "output.txt"
LAST_BYTES = 4_000
# The line of a traceback that names the error; others may follow it.
NAMES_ERROR = re.compile(r"[\w.]+(Error|Exception|Failed)\b.*: ")
FEWEST_CALLS = 5


class FailedRunError(ExperimentError):
    """Raised when the program failed with a remedy; the message is its last line."""


class Processes:
    """Runs the program as it is or with remedies; each run has a folder with its results and output.

    Args:
        program: The program; paths are relative to the working directory.
        output: Folder of the results, exists.
    """

    def __init__(self, program: TriedProgram, output: Path) -> None:
        self._program = program
        self._output = output.resolve()
        self._copies = WorkingCopy(Path.cwd(), self._output)
        self.runs = 0

    def record(self, calls: int, seconds: float | None) -> tuple[MeteredRun, list[Path], Path]:
        """Run the program as it is and record it.

        Args:
            calls: Calls after which it ends.
            seconds: Time after which it ends, s from the first call on; None: no limit.

        Returns:
            The run, its journals and its notes.

        Raises:
            FailedRunError: It failed, or made too few calls.
        """
        folder = self._new_folder("as-it-is, recorded")
        journal, notes = folder / "run.jsonl", folder / "notes.json"
        run = self._run(folder, {}, calls=calls, seconds=seconds, journal=str(journal), notes=str(notes))
        return run, [path for path in sorted(folder.glob("*.jsonl")) if is_journal(path)], notes

    def measure(
        self,
        calls: int,
        remedies: Sequence[Remedy] = (),
        facts: Path | None = None,
        limit_s: float | None = None,
    ) -> MeteredRun:
        """Run the program for a number of calls.

        Args:
            calls: Calls after which it ends.
            remedies: The remedies; none: as it is.
            facts: File of the facts that they were made from.
            limit_s: Time after which the process is killed, s; None: no limit.

        Raises:
            FailedRunError: It failed, was killed, or made too few calls.
        """
        names = tuple(each.name for each in remedies)
        folder = self._new_folder("+".join(names) or "as-it-is")
        variables = {name: value for each in remedies for name, value in each.variables.items()}
        given = "" if facts is None else str(facts.resolve())
        return self._run(folder, variables, limit_s, calls=calls, remedies=names, facts=given)

    def _new_folder(self, name: str) -> Path:
        self.runs += 1
        folder = self._output / f"{self.runs:03d}-{name}"
        folder.mkdir()
        return folder

    def _run(
        self, folder: Path, variables: Mapping[str, str], limit_s: float | None = None, **options: object
    ) -> MeteredRun:
        result = folder / "calls.npz"
        place = self._copies.make(f"{folder.name}/work")
        task = TrialTask(folder=str(place), result=str(result), **asdict(self._program), **options)  # type: ignore[arg-type]  # as the callers give them
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("INSTRUMENTED_CALC", JOURNALS_VARIABLE)
        }
        environment |= variables
        # For programs that wrap their calculator themselves.
        if task.journal:
            environment[JOURNALS_VARIABLE] = str(folder)
        else:
            environment["INSTRUMENTED_CALC"] = "off"
        try:
            code = exit_code_of(task.command(), environment, folder / OUTPUT, limit_s)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        if code:
            message = f"{_ending(code)}: {_last_words(folder / OUTPUT)}"
            raise FailedRunError(message)
        return _read(result)


def exit_code_of(
    command: Sequence[str], environment: Mapping[str, str], output: Path, limit_s: float | None
) -> int:
    """Run a command and return its exit code, negative for a signal.

    Args:
        command: The command.
        environment: Its environment variables.
        output: File for what it prints.
        limit_s: Time after which it is killed with all that it has started, s; None: no limit.

    Raises:
        FailedRunError: It took longer than the limit.
    """
    with (
        output.open("wb") as stream,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            message = f"a run was not done after {limit_s:.0f} s: a longer --budget leaves it more time"
            raise FailedRunError(message) from error
        finally:
            if process.poll() is None:
                _kill(process.pid)


def _kill(pid: int) -> None:
    """Kill a process and all that it has started, such as compilers."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for each in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def _read(path: Path) -> MeteredRun:
    if not path.exists():
        message = (
            "no force call was seen: no calculator was assigned to an Atoms (atoms.calc = calc) and used"
        )
        raise FailedRunError(message)
    with np.load(path) as found:
        run = MeteredRun(
            starts_ns=found["starts_ns"],
            energies_ev=found["energies_ev"],
            sizes=found["sizes"],
            forces={
                int(name.removeprefix("forces_")): found[name]
                for name in found.files
                if name.startswith("forces_")
            },
            first_positions=str(found["first_positions"]),
        )
    if run.calls < FEWEST_CALLS:
        message = f"the program makes {run.calls} force calls, and {FEWEST_CALLS} are needed to time it"
        raise FailedRunError(message)
    return run


def _ending(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_words(path: Path) -> str:
    with path.open("rb") as output:
        output.seek(max(output.seek(0, os.SEEK_END) - LAST_BYTES, 0))
        lines = [line for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if NAMES_ERROR.match(line)]
    return (named or lines or ["no output"])[-1].strip()
