"""Dask as the engine of a sweep, with real workers: one of them is killed in the middle of a cell."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.experiments.sweep.cells import TWENTY_FOUR, cell, complete, files, manifest_of, with_factories

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.dask_engine import DaskSettings, dask_engine, gpus_for, job_options
from instrumented_calc.experiments.sweep.gathering import gather_sweep
from instrumented_calc.experiments.sweep.results import ResultFolder
from instrumented_calc.experiments.sweep.run_cell import CELL_FAILED
from instrumented_calc.experiments.sweep.run_sweep import run_sweep

distributed = pytest.importorskip("distributed")
jobqueue = pytest.importorskip("dask_jobqueue")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    with_factories(tmp_path, monkeypatch)
    return ResultFolder(tmp_path / "out")


def parents_of_cells() -> list[int]:
    """Return the processes that wait for the process of a cell: workers of Dask."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # ended meanwhile
            if "instrumented_calc.experiments.sweep.cell_child" in process.cmdline():
                found.append(process.ppid())
    return found


def kill_a_worker_in_mid_cell(killed: list[int]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not killed:
        for worker in parents_of_cells()[:1]:
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_24_cells_on_three_workers_of_which_one_is_killed(results):
    killed: list[int] = []
    with dask_engine(DaskSettings(workers=3)) as engine:
        killer = threading.Thread(target=kill_a_worker_in_mid_cell, args=(killed,))
        killer.start()
        run = run_sweep(TWENTY_FOUR, results.folder, engine)
        killer.join()
    assert len(killed) == 1
    assert run.failures == []
    gathered = gather_sweep(TWENTY_FOUR, results)
    assert [each["key"] for each in gathered.figures] == [*TWENTY_FOUR.cells]
    assert (gathered.missing, gathered.twice, gathered.unreadable) == ([], [], [])
    assert {name for name in files(results) if ".attempt-" not in name} == complete(TWENTY_FOUR)


def test_a_running_scheduler_and_a_failing_cell(results):
    sweep = manifest_of(cell("factories.py:Breaks"), cell())
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        with dask_engine(DaskSettings(workers=1, scheduler_address=address)) as engine:
            run = run_sweep(sweep, results.folder, engine)
        assert [(each.code, sweep.cells[each.key].calc) for each in run.failures] == [
            (CELL_FAILED, "factories.py:Breaks")
        ]
        assert distributed.Client(cluster).scheduler_info()["type"] == "Scheduler"  # it was not ended


def test_each_gpu_has_one_worker_and_cells_have_no_setting_of_dask(results, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)  # of a cluster that an earlier test started
    sweep = manifest_of(*(cell("factories.py:TellsDevice", replicate=r, steps=20) for r in range(1, 5)))
    with dask_engine(DaskSettings(per_gpu=True)) as engine:
        assert run_sweep(sweep, results.folder, engine).failures == []
    assert {path.name for path in Path.cwd().glob("devices-*")} == {"devices-5-none", "devices-7-none"}


@pytest.mark.parametrize(("workers", "expected"), [(None, "5 7"), (1, "5"), (2, "5 7")])
def test_workers_are_no_more_than_asked_for_and_no_more_than_gpus(workers, expected, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert gpus_for(DaskSettings(workers, per_gpu=True)) == expected.split()
    with pytest.raises(ExperimentError, match="3 workers for 2 GPUs; give --workers 2 at most"):
        gpus_for(DaskSettings(3, per_gpu=True))


def test_without_a_gpu_cells_that_need_one_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ExperimentError, match="no GPU here"), dask_engine(DaskSettings(1, per_gpu=True)):
        pass


@pytest.mark.parametrize("kind", ["SLURMCluster", "HTCondorCluster"])
def test_a_job_is_one_worker_with_one_thread_and_no_memory_limit(kind):
    options = job_options(DaskSettings(workers=2, threads=4, per_gpu=True, memory="4GB"))
    more = {"disk": "1GB"} if kind == "HTCondorCluster" else {}
    with getattr(jobqueue, kind)(**options, **more) as cluster:
        script = cluster.job_script()
    assert script.index("--nthreads 4") < script.index("--nthreads 1")
    assert script.rindex("--memory-limit") == script.index("--memory-limit 0")
    assert "--resources GPU=1" in script
    assert "cpus-per-task=4" in script or "RequestCpus" in script


def test_a_batch_system_without_its_settings_is_one_line():
    with (
        pytest.raises(ExperimentError, match="memory of a job is unknown; give --memory"),
        dask_engine(DaskSettings(workers=1, cluster="slurm")),
    ):
        pass


def test_a_machine_without_the_batch_system_is_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with (
        pytest.raises(ExperimentError, match=r"--cluster slurm: .*sbatch"),
        dask_engine(DaskSettings(workers=1, cluster="slurm", memory="1GB")),
    ):
        pass
