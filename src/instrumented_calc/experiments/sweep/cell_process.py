"""Runs one cell in a new process with pinned threads, and says how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from instrumented_calc.experiments.sweep.cell_child import UNUSABLE, command_of
from instrumented_calc.journal.vocabulary import JOURNALS_VARIABLE, THREAD_COUNTS

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.experiments.sweep.cell import SweepCell

# Processes that run now, to be ended when the user interrupts a program that waits for them in threads.
_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How the process of a cell ended.

    Attributes:
        code: Its exit code; negative: the signal that ended it; None: stopped at the time limit.
        words: Why there is no result, on one line; empty if there is one.
    """

    code: int | None
    words: str = ""

    @property
    def is_unusable(self) -> bool:
        """Whether other cells of the calculator would fail too: it cannot be built, or is not recorded."""
        return self.code == UNUSABLE

    @property
    def is_killed(self) -> bool:
        """Whether something outside ended the process, so that another try may succeed."""
        return self.code is not None and self.code < 0


def run_process(
    cell: SweepCell, journal: Path, time_limit_s: float | None = None, directory: Path | None = None
) -> ProcessEnd:
    """Compute a cell in a new process.

    Args:
        cell: The cell. Its key becomes the journal's series, which also links its attempts in reports.
        journal: The journal to create.
        time_limit_s: Time limit, s.
        directory: Its working directory; None: that of this process.
    """
    environment = {name: value for name, value in os.environ.items() if name != JOURNALS_VARIABLE}
    environment |= {"INSTRUMENTED_CALC": "on", "INSTRUMENTED_CALC_SERIES": cell.key}
    if cell.threads:
        environment |= dict.fromkeys(THREAD_COUNTS, str(cell.threads))
    with subprocess.Popen(
        command_of(cell, journal.absolute()),
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        _running.add(process)
        try:
            _, said = process.communicate(timeout=time_limit_s)
        except subprocess.TimeoutExpired:
            words = f"stopped at the time limit of {time_limit_s:g} s; raise --time-limit or lower --steps"
            return ProcessEnd(None, words)
        finally:
            _running.discard(process)
            if process.poll() is None:
                _kill(process)
    if process.returncode == 0:
        return ProcessEnd(0)
    return ProcessEnd(process.returncode, _last_words(process.returncode, said))


def end_running_processes() -> None:
    """Kill all processes of cells that this process runs."""
    for process in tuple(_running):
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children, such as the programs that a calculator starts."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    for member in (process, *family):
        with suppress(psutil.Error):  # ended meanwhile
            member.kill()


def _last_words(code: int, said: bytes) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
        return f"ended by {name}{hint}"
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    words = lines[-1].strip().removeprefix("error: ") if lines else f"exit code {code}"
    # Callers rename or remove the journal that the message names.
    return words.partition("; the results so far are in ")[0]
