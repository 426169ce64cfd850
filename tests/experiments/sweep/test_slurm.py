"""Emitted array jobs on a real Slurm, which `tests/slurm.sh` starts and ends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import instrumented_calc
from instrumented_calc.cli import main

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

SBATCH = shutil.which("sbatch") or "sbatch"
PLAN = """
calculators = ["emt", "lj", "morse"]
systems = ["copper"]
sizes = [32, 108, 144, 256]
replicates = 2
steps = 10
"""
STUCK = """
import time
from pathlib import Path
from ase.calculators.emt import EMT

class Stuck(EMT):
    def calculate(self, *given, **more):
        time.sleep(0 if Path("go").exists() else 2)
        super().calculate(*given, **more)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_CONF", os.environ["TEST_CLUSTER"])
    monkeypatch.setenv("PYTHONPATH", str(Path(instrumented_calc.__file__).parents[1]))
    return tmp_path


def emitted(name, *options):
    """Emit the cells that are not done into a folder, and return it."""
    options = ["-o", name, "--python", sys.executable, "--memory", "500MB", *options]
    assert main(["sweep", "emit", "slurm", "sweep.json", *options]) == 0
    return Path(name)


def submit(folder):
    """Submit the array jobs of a folder, and wait for their end."""
    scripts = sorted(each.name for each in folder.glob("*.sbatch"))
    jobs = [subprocess.Popen([SBATCH, "--wait", name], cwd=folder) for name in scripts]
    for job in jobs:
        job.wait(600)


def test_the_array_jobs_complete_24_cells(folder, capsys):
    (folder / "sweep.toml").write_text(PLAN)
    assert main(["sweep", "plan", "sweep.toml"]) == 0
    batch = emitted("batch", "--array-size", "20", "--at-most", "2")
    assert len([*batch.glob("*.sbatch")]) == 2
    submit(batch)
    capsys.readouterr()
    assert main(["sweep", "gather", "sweep.json", "batch"]) == 0
    assert "24 of 24 cells done: complete" in capsys.readouterr().out
    assert len([*(folder / "sweep").glob("*.jsonl")]) == 24


def test_a_job_killed_by_its_time_limit_is_resumed_by_the_rest(folder, capsys):
    (folder / "stuck.py").write_text(STUCK)
    plan = 'calculators = ["stuck.py:Stuck", "emt"]\nsystems = ["copper"]\nsizes = [32]\nsteps = 100\n'
    (folder / "sweep.toml").write_text(plan)
    assert main(["sweep", "plan", "sweep.toml"]) == 0
    batch = emitted("batch", "--walltime", "00:01:00")
    submit(batch)
    logs = "".join(each.read_text() for each in (batch / "logs").iterdir())
    assert "DUE TO TIME LIMIT" in logs
    capsys.readouterr()
    assert main(["sweep", "gather", "sweep.json", "batch"]) == 1
    assert "1 of 2 cells done" in capsys.readouterr().out
    rest = emitted("rest")
    assert len((rest / "keys.txt").read_text().split()) == 1
    (rest / "go").touch()
    submit(rest)
    capsys.readouterr()
    assert main(["sweep", "gather", "sweep.json", "rest"]) == 0
    assert "2 of 2 cells done: complete" in capsys.readouterr().out
