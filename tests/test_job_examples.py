"""The examples of batch jobs: read by the parsers of their systems, and run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import instrumented_calc
from instrumented_calc import read_journal

EXAMPLES = Path(__file__).parents[1] / "examples"
SLURM, HTCONDOR = EXAMPLES / "slurm_job.sh", EXAMPLES / "htcondor_job.sub"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a short simulation; the environment of the tests is that of the job."""
    program = (EXAMPLES / "emt_md.py").read_text(encoding="utf-8").replace("STEPS = 300", "STEPS = 30")
    (tmp_path / "emt_md.py").write_text(program, encoding="utf-8")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(Path(instrumented_calc.__file__).parents[1]))
    return tmp_path


def submit_file():
    """The settings of the HTCondor job."""
    lines = HTCONDOR.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line and not line.startswith("#"))


def ended_and_reported(folder, printed):
    assert len(read_journal(folder / "emt.jsonl").calls) == 31
    assert "30 steps" in printed
    return True


@pytest.mark.slow
def test_the_slurm_job_runs_as_a_script(folder):
    command = ["bash", SLURM]
    job = {**os.environ, "SLURM_CPUS_PER_TASK": "1"}
    done = subprocess.run(
        command, cwd=folder, env=job, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ended_and_reported(folder, done.stdout)


@pytest.mark.slurm
@pytest.mark.timeout(300)
def test_the_slurm_job_runs_on_a_slurm(folder, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", os.environ["TEST_CLUSTER"])
    subprocess.run([shutil.which("sbatch") or "sbatch", "--wait", SLURM], cwd=folder, timeout=280, check=True)
    (log,) = folder.glob("copper-*.log")
    assert ended_and_reported(folder, log.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_htcondor_job_runs_with_nothing_but_what_is_transferred(folder, tmp_path):
    job = submit_file()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in job["transfer_input_files"].split(", "):
        shutil.copy(folder / name, scratch)
    command = [job["executable"], *shlex.split(job["arguments"])]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert ended_and_reported(scratch, done.stderr)


def test_the_parser_of_htcondor_reads_the_same():
    htcondor = pytest.importorskip("htcondor2")
    submit = htcondor.Submit(HTCONDOR.read_text(encoding="utf-8"))
    assert {name: submit[name] for name in submit_file()} == submit_file()
    assert submit.itemdata() is None  # one job
