"""`report` on real processes that ended in different ways."""

from __future__ import annotations

import io
import signal
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from tests.lifecycle.children import run_script, started_script

from instrumented_calc.cli import main

START = """
from stage import *
from instrumented_calc.capture.run import housekeeping

housekeeping.MACHINE_EVERY_NS = 100_000_000
calc = ProfiledCalculator(Spring(), summary=False)
atoms = pair(calc)
for _ in range(5):
    step(atoms)
"""
WAIT = """
calc.seconds = 1000
step(atoms)
"""


def report(journal: str = "run.jsonl") -> str:
    """Return the report's lines on how the run ended."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["report", journal, "--all"]) == 0
    return " ".join(line for line in printed.getvalue().splitlines() if line.split()[:1] == ["ended"])


def wait_for(text: str) -> None:
    """Wait until the journal holds a text."""
    deadline = time.monotonic() + 60
    while not (Path("run.jsonl").exists() and text in Path("run.jsonl").read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_run_killed_in_a_call_says_in_which_call_and_for_how_long(number: signal.Signals) -> None:
    with started_script(START + WAIT) as child:
        wait_for('\n{"event":"open_call"')
        assert "still running during call 5" in report()
        child.send_signal(number)
        assert child.wait(60) == -number
    reported = report()
    assert "killed during call 5, which had been running for " in reported
    assert "cause unknown" in reported


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param("", "exit of the program", marks=pytest.mark.slow),
        ("sys.exit(3)", "exit of the program"),
        ("recording(calc).close()", "closed"),
        ("raise RuntimeError('no\\nroom \\x1b[31m')", "exit after RuntimeError: no room [31m"),
        pytest.param("raise KeyboardInterrupt", "exit after KeyboardInterrupt", marks=pytest.mark.slow),
        pytest.param(
            "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd",
            "exit after Odd",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_that_could_end_says_how(last: str, expected: str) -> None:
    child = run_script(START + last)
    assert "instrumented-calc:" not in child.stderr
    assert expected in report()


def test_an_exception_that_leaves_the_block_of_a_run_is_reported() -> None:
    block = """
with profiled(Spring(), "other.jsonl", summary=False) as atoms.calc:
    step(atoms)
    raise MemoryError
"""
    assert "MemoryError" in run_script(START + block).stderr
    assert "closed after MemoryError" in report("other.jsonl")


def test_a_run_that_died_at_its_time_limit_reports_it() -> None:
    kill = f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    child = run_script(START + kill, env={"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": str(int(time.time()))})
    assert child.returncode == -signal.SIGKILL
    assert "after the batch system's time limit (likely ended by it)" in report()


def test_a_run_that_has_run_out_of_descriptors_reports_it() -> None:
    exhaust = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
calc.seconds = 0.02
try:
    while True:
        held.append(os.dup(0))
except OSError as error:
    full = error
deadline = time.monotonic() + 60
while '"open_files":64' not in os.pread(journal, 10**7, 0).decode() and time.monotonic() < deadline:
    step(atoms)
raise full
"""
    child = run_script(START + "journal = os.open('run.jsonl', os.O_RDONLY)\n" + exhaust)
    assert "Too many open files" in child.stderr
    reported = report()
    assert "exit after OSError: [Errno 24] Too many open files" in reported
    assert "out of file descriptors: 64 of 64 were open" in reported
