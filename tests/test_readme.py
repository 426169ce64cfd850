"""What the README promises, run as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

SET_UP = """
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

atoms = bulk("Cu", cubic=True) * (2, 2, 2)
atoms.rattle(0.02, seed=1)
calc = EMT()
dyn = VelocityVerlet(atoms, 5 * units.fs)
build_graph = len
frames = [bulk('Cu', cubic=True) for _ in range(4)]
for number, frame in enumerate(frames):
    frame.rattle(0.01, seed=number)
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_the_three_lines_of_use_profile_a_run(tmp_path):
    script = tmp_path / "three.py"
    script.write_text(SET_UP + PYTHON[0].replace("run(500)", "run(20)"), encoding="utf-8")
    done = run(sys.executable, script.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.jsonl").exists()
    headings = [line.split()[0] for line in done.stderr.splitlines()]
    assert headings[2:] == [
        line.split()[0] for line in README.split("on stderr):")[1].split("```")[1].splitlines()[3:]
    ]
    assert len(done.stderr.splitlines()) <= 14


def test_every_python_block_runs(tmp_path):
    for number, block in enumerate(PYTHON):
        (tmp_path / "block.py").write_text(SET_UP + block, encoding="utf-8")
        done = run(sys.executable, "block.py", cwd=tmp_path)
        assert done.returncode == 0, f"block {number}: {done.stderr}"


def test_there_are_exactly_two_commands_for_a_fresh_machine():
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("instrumented-calc demo")
    assert commands[1].endswith("-m pytest -n 2")


@pytest.mark.parametrize("line", re.findall(r"^    (instrumented-calc .*)$", README, re.MULTILINE))
def test_every_command_that_is_shown_exists_with_its_options(line, tmp_path):
    words = shlex.split(line, comments=True)
    shown = run(sys.executable, "-m", "instrumented_calc", words[1], "--help", cwd=tmp_path)
    assert shown.returncode == 0
    for word in words:
        if word.startswith("--"):
            assert word in shown.stdout, word
