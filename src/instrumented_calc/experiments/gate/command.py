"""Run one command in a fresh process and read the journal that it writes."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.measured_run import run_of_journal
from instrumented_calc.errors import ExperimentError
from instrumented_calc.journal.beginning import is_journal
from instrumented_calc.journal.vocabulary import JOURNALS_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun

OUTPUT = "output.txt"
LAST_BYTES = 4_000
SHOWN = 60


def run_command(command: str, folder: Path) -> MeasuredRun:
    """Run a command in the shell and the working directory; all its journals are kept in a folder.

    Args:
        command: As the user would type it; its output goes to `output.txt` in the folder.
        folder: A new folder.

    Returns:
        The run of the journal with the most time in calculations, without those of worker processes.

    Raises:
        ExperimentError: The command failed, or recorded no calculation.
    """
    folder.mkdir(parents=True)
    with (folder / OUTPUT).open("wb") as output:
        done = subprocess.run(  # noqa: S602 - the user's own command line, as typed in a shell
            command,
            shell=True,
            env={**os.environ, JOURNALS_VARIABLE: str(folder.resolve())},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        message = f"{_cut(command)}: {_ending(done.returncode)}: {_last_words(folder)}; see {folder / OUTPUT}"
        raise ExperimentError(message)
    runs = [run_of_journal(path) for path in sorted(folder.glob("*.jsonl")) if is_journal(path)]
    runs = [run for run in runs if run.quantiles_ns and not run.is_worker]
    if not runs:
        message = (
            f"{_cut(command)}: recorded no calculation; try --before and --after 'instrumented-calc run"
            f" script.py'; see {folder / OUTPUT}"
        )
        raise ExperimentError(message)
    return max(runs, key=lambda run: run.calls * run.quantiles_ns[0])


def _ending(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_words(folder: Path) -> str:
    with (folder / OUTPUT).open("rb") as output:
        output.seek(max(output.seek(0, os.SEEK_END) - LAST_BYTES, 0))
        lines = [line for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"


def _cut(command: str) -> str:
    return command if len(command) <= SHOWN else f"{command[: SHOWN - 3]}..."
