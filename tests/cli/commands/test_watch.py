"""`instrumented-calc watch`: in a pipe, and in real pseudo-terminals beside a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from tests.cli.terminals import Terminal

from instrumented_calc import profiled
from instrumented_calc.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = """
import sys, time
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from instrumented_calc import ProfiledCalculator

atoms = bulk("Cu", cubic=True)
atoms.rattle(0.02, seed=1)
atoms.calc = ProfiledCalculator(EMT(), summary=False)
dyn = VelocityVerlet(atoms, 5 * units.fs)
pause = [0.002]
def wait():
    time.sleep(pause[0])
    if dyn.nsteps == 400:
        pause[0] = 0.02  # the run is ramped down
dyn.attach(wait)
dyn.run(100_000)
"""


def record(name: str = "run.jsonl", steps: int = 30) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    with profiled(EMT(), name, summary=False) as atoms.calc:
        VelocityVerlet(atoms, 5 * units.fs).run(steps)


def test_once_prints_one_picture(capsys):
    record()
    assert main(["watch", "--once", "run.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "ENDED    run.jsonl" in shown
    assert "step 30 of 30 (100 %), 31 calls" in shown
    assert "EMT on Cu4 (4 atoms), VelocityVerlet NVE 5 fs" in shown
    assert "\x1b" not in shown
    assert all(len(row) <= 80 for row in shown.splitlines())


def test_json_and_the_newest_journal(capsys):
    record("a.jsonl")
    record("b.jsonl")
    os.utime("a.jsonl", (1, 1))
    assert main(["watch", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["path"], shown["life"], shown["step"]) == ("b.jsonl", "over", 30)
    assert shown["phase"]["driver"].endswith("VelocityVerlet")


def test_a_pipe_gets_one_picture(capsys):
    record()
    assert main(["watch"]) == 0  # stdout is no terminal
    assert capsys.readouterr().out.startswith("ENDED")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"text\n", "not a journal"), (b"\x1f\x8b\x08\n", "gzip")],
)
def test_what_cannot_be_watched(capsys, content, message):
    if content is not None:
        Path("x.jsonl").write_bytes(content)
    assert main(["watch", "x.jsonl"]) == 5
    assert message in capsys.readouterr().err


def test_an_empty_folder(capsys):
    assert main(["watch"]) == 5
    assert "no journal" in capsys.readouterr().err


def test_the_viewer_loads_what_it_draws_with_and_no_more(tmp_path):
    record()
    code = (
        "import sys; from instrumented_calc.cli import main; main(['watch', 'run.jsonl']);"
        "print([each for each in ('numpy', 'scipy', 'ase', 'torch', 'typer') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start runs in the test's folder, which end with the test."""
    (tmp_path / "md.py").write_text(RUN, encoding="utf-8")
    started: list[subprocess.Popen[bytes]] = []

    def written() -> int:
        return sum(path.stat().st_size > 0 for path in tmp_path.glob("run*.jsonl"))

    def start() -> subprocess.Popen[bytes]:
        before = written()
        started.append(subprocess.Popen([sys.executable, "md.py"], cwd=tmp_path))
        until = time.monotonic() + 60
        while written() == before and time.monotonic() < until:
            time.sleep(0.05)
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals, which close with the test."""
    opened: list[Terminal] = []

    def start(*arguments: str, **options: int) -> Terminal:
        opened.append(Terminal(tmp_path, "watch", *arguments, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
def test_a_run_that_is_ramped_killed_and_restarted(running, terminal, columns, rows):
    run = running()
    seen = terminal(columns=columns, rows=rows)
    picture = seen.wait_for(lambda text: "RUNNING" in text and "ns/day now" in text and "ends" in text)
    assert len(picture) == rows
    assert all(len(row) <= columns for row in picture)
    assert any("of 100,000" in row for row in picture)
    seen.press("\t")
    seen.wait_for(lambda text: "Parts of the recent time" in text)
    seen.press("?")
    seen.wait_for(lambda text: "only reads the journal" in text)
    seen.press("?p")
    paused = seen.wait_for(lambda text: "PAUSED" in text)
    seen.read(1.5)
    assert seen.picture()[1:-1] == paused[1:-1]
    seen.press("p")
    seen.wait_for(lambda text: "PAUSED" not in text)
    run.kill()
    run.wait()
    seen.wait_for(lambda text: "KILLED" in text and "killed after call" in text)
    running()
    seen.wait_for(lambda text: "RUNNING  run-2.jsonl" in text)
    seen.resize(100, 30)
    picture = seen.wait_for(lambda text: len(text.split("\n")) == 30)
    assert all(len(row) <= 100 for row in picture)
    seen.press("q")
    assert seen.end() == 0
    assert seen.is_restored()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(running, terminal, number):
    running()
    seen = terminal("run.jsonl")
    seen.wait_for(lambda text: "RUNNING" in text)
    os.kill(seen.pid, number)
    status = seen.end()
    assert seen.is_restored()
    if number == signal.SIGINT:
        assert os.waitstatus_to_exitcode(status) == 130
    else:
        assert os.WTERMSIG(status) == number
    assert "Traceback" not in seen.output


@pytest.mark.slow
def test_the_viewer_can_be_suspended(running, terminal):
    running()
    seen = terminal("run.jsonl")
    seen.wait_for(lambda text: "RUNNING" in text)
    os.kill(seen.pid, signal.SIGTSTP)
    # A session of its own is an orphaned process group, where the system does not stop it; either way the
    # terminal is restored and taken again.
    until = time.monotonic() + 30
    while seen.output.count("\x1b[?1049l") == 0 and time.monotonic() < until:
        seen.read()
    assert seen.output.count("\x1b[?1049l") == 1
    os.kill(seen.pid, signal.SIGCONT)
    seen.output = ""
    seen.wait_for(lambda text: "RUNNING" in text)
    seen.press("q")
    assert seen.end() == 0
    assert seen.is_restored()


@pytest.mark.slow
def test_an_error_of_the_viewer_leaves_the_terminal_as_it_was(running, terminal, tmp_path, monkeypatch):
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import instrumented_calc.reporting.watch.frame as f\n"
        "draw = f.draw; calls = []\n"
        "def fails(*a):\n    calls.append(1)\n    if len(calls) > 2: raise ZeroDivisionError('planted')\n"
        "    return draw(*a)\nf.draw = fails\n",
        encoding="utf-8",
    )
    running()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    seen = terminal("run.jsonl")
    assert os.waitstatus_to_exitcode(seen.end()) == 70
    assert "ZeroDivisionError: planted" in seen.output
    assert seen.is_restored()
