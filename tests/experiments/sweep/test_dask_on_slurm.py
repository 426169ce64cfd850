"""Dask workers as jobs of a real Slurm, which `tests/slurm.sh` starts and ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress

import psutil
import pytest
from tests.experiments.sweep.cells import SOURCE, TWENTY_FOUR, complete, files

from instrumented_calc.cli import main
from instrumented_calc.experiments.sweep.gathering import gather_sweep
from instrumented_calc.experiments.sweep.manifest import write_manifest
from instrumented_calc.experiments.sweep.results import ResultFolder

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

DASK = ["sweep", "run", "sweep.json", "--engine", "dask", "--cluster", "slurm", "--memory", "500MB"]


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", os.environ["TEST_CLUSTER"])
    monkeypatch.setenv("PYTHONPATH", SOURCE)
    write_manifest(TWENTY_FOUR, tmp_path / "sweep.json")
    return ResultFolder(tmp_path / "sweep")


def jobs_in_mid_cell() -> set[str]:
    """Return the ids of the jobs whose worker waits for the process of a cell."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, KeyError):  # ended meanwhile, or in no job
            if "instrumented_calc.experiments.sweep.cell_child" in process.cmdline():
                found.add(process.environ()["SLURM_JOB_ID"])
    return found


def cancel_jobs(number: int, cancelled: set[str]) -> None:
    """Cancel so many jobs, each in the middle of a cell."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and len(cancelled) < number:
        for job in sorted(jobs_in_mid_cell() - cancelled)[: number - len(cancelled)]:
            subprocess.run([shutil.which("scancel") or "scancel", job], check=True)
            cancelled.add(job)
        time.sleep(0.05)


def test_24_cells_by_two_jobs_which_are_both_cancelled_and_replaced(results, capsys):
    cancelled: set[str] = set()
    canceller = threading.Thread(target=cancel_jobs, args=(2, cancelled))
    canceller.start()
    assert main([*DASK, "--workers", "2", "--walltime", "00:10:00"]) == 0
    canceller.join()
    assert len(cancelled) == 2
    assert "24 of 24 cells done" in capsys.readouterr().out
    gathered = gather_sweep(TWENTY_FOUR, results)
    assert [each["key"] for each in gathered.figures] == [*TWENTY_FOUR.cells]
    assert (gathered.missing, gathered.twice, gathered.unreadable) == ([], [], [])
    assert {name for name in files(results) if ".attempt-" not in name} == complete(TWENTY_FOUR)


def test_jobs_that_slurm_refuses_are_one_line(capsys):
    assert main([*DASK, "--workers", "2", "--walltime", "soon"]) == 5
    said = capsys.readouterr().err
    assert "error: --cluster slurm: sbatch: error: Invalid --time specification" in said
    assert said.count("\n") == 1
