"""The README's promises and code, run as they stand; test_docs.py checks its commands and links."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
(USE,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

LABEL = "{:<9}".format  # of a row of the summary

SET_UP = """
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

atoms = bulk("Cu", cubic=True) * (2, 2, 2)
atoms.rattle(0.02, seed=1)
calc = EMT()
"""


def test_the_three_lines_of_use_profile_a_run(tmp_path):
    script = tmp_path / "three.py"
    script.write_text(SET_UP + USE.replace("run(500)", "run(20)"), encoding="utf-8")
    done = subprocess.run(
        (sys.executable, script.name),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.jsonl").exists()
    shown, promised = (
        done.stderr.splitlines(),
        README.split("on stderr):")[1].split("```")[1].splitlines()[1:],
    )
    assert {line[:9] for line in promised[1:]} == {
        *map(LABEL, ("run", "speed", "time", "", "physics", "memory", "next"))
    }
    assert max(map(len, promised)) <= 80
    labels = {line[:9] for line in shown}
    assert {LABEL(name) for name in ("run", "speed", "time", "next")} <= labels
    # On a busy machine, that the run waited, or how long it took to start, takes the line of the memory.
    assert {LABEL("memory"), LABEL("waited"), LABEL("before")} & labels
    assert max(map(len, shown[:-1])) <= 80  # the last line has the path of the journal


def test_there_are_exactly_two_commands_for_a_fresh_machine():
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("instrumented-calc demo")
    assert commands[1].endswith("-m pytest -n 2")
