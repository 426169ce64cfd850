"""Dask as the engine of a sweep: workers on this machine, of a running scheduler, or as batch jobs.

A worker has one thread and so one cell at a time, which computes in a process of its own. The number of
workers is fixed: workers that come and go with the load would start and end while others are timed. Cells of
a lost worker are run again by another one, and a batch job that has ended is replaced.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ExperimentError, MissingPackageError
from instrumented_calc.experiments.sweep.local_engine import places_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

LOST_WORKERS = 10  # a cell is given up after so many of its workers were lost
ONE_GPU = {"GPU": 1.0}  # as in `dask worker --resources GPU=1`
GPUS = "/proc/driver/nvidia/gpus"
VISIBLE = "CUDA_VISIBLE_DEVICES"
# Dask sets it for its workers; whoever inherits it returns memory to the system more often, and is slower.
TRIM_THRESHOLD = "MALLOC_TRIM_THRESHOLD_"
FREE_PORT = ":0"  # of the dashboard: several sweeps may run on one machine
CONFIGURATION = "~/.config/dask/jobqueue.yaml"


@dataclass(frozen=True)
class DaskSettings:
    """Where the workers are.

    Attributes:
        workers: Number of workers that are started; None: with `per_gpu` one for each GPU of this machine,
            otherwise as many as fit its processor cores.
        cluster: `local`, `slurm` or `htcondor`; what a batch system needs to know besides the following is in
            the configuration of dask-jobqueue.
        scheduler_address: A running scheduler, whose workers are used instead.
        threads: Processors per worker, as many as a cell has threads.
        per_gpu: Whether each cell needs a GPU of its own.
        memory: Memory of a batch job, such as `4GB`.
        walltime: Time limit of a batch job, such as `02:00:00`.
    """

    workers: int | None = None
    cluster: str = "local"
    scheduler_address: str | None = None
    threads: int = 1
    per_gpu: bool = False
    memory: str | None = None
    walltime: str | None = None


@contextmanager
def dask_engine(settings: DaskSettings) -> Iterator[Executor]:
    """Start workers or connect to a scheduler, and in the end stop what was started.

    Args:
        settings: Where the workers are.

    Yields:
        An executor of `concurrent.futures`.

    Raises:
        MissingPackageError: Dask is not installed.
        ExperimentError: The scheduler cannot be reached, there are too few GPUs, or the batch system cannot
            be used.
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        message = f"Dask cannot be imported ({error}): pip install 'instrumented-calc[cluster]'"
        raise MissingPackageError(message) from error
    failures = {"distributed.scheduler.allowed-failures": LOST_WORKERS}
    # No cell waits at a busy worker while another one is free.
    waiting = {"distributed.scheduler.worker-saturation": 1.0}
    devices = gpus_for(settings)
    keeps_threshold = TRIM_THRESHOLD in os.environ  # before Dask sets it, here too
    with dask.config.set({**failures, **waiting}):
        cluster = None if settings.scheduler_address else _cluster(settings, devices)
        try:
            client = _client(distributed, settings.scheduler_address or cluster)
            try:
                client.register_plugin(
                    _cell_environment(distributed, devices, keeps_threshold=keeps_threshold)
                )
                yield client.get_executor(pure=False, resources=ONE_GPU if settings.per_gpu else None)
            finally:
                client.close()
        finally:
            if cluster is not None:
                cluster.close()


def _client(distributed: Any, place: Any) -> Any:
    try:
        return distributed.Client(place)
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler at {place}: {error}; give the address that it printed when it started"
        raise ExperimentError(message) from error


def gpus_for(settings: DaskSettings) -> list[str]:
    """Return the GPUs of this machine, one for each local worker; empty if they are not asked for.

    Args:
        settings: Where the workers are.

    Raises:
        ExperimentError: This machine has no GPU, or fewer GPUs than workers.
    """
    if not settings.per_gpu or settings.scheduler_address or settings.cluster != "local":
        return []
    visible = os.environ.get(VISIBLE)
    if visible is None and Path(GPUS).is_dir():
        visible = ",".join(str(number) for number, _ in enumerate(Path(GPUS).iterdir()))
    devices = [each.strip() for each in (visible or "").split(",") if each.strip()]
    if not devices:
        message = (
            f"no GPU here ({GPUS} and {VISIBLE} name none): leave out --per-gpu, or use a machine with one"
        )
        raise ExperimentError(message)
    if (settings.workers or 0) > len(devices):
        message = f"{settings.workers} workers for {len(devices)} GPUs; give --workers {len(devices)} at most"
        raise ExperimentError(message)
    return devices[: settings.workers]


def _cluster(settings: DaskSettings, devices: list[str]) -> Any:
    workers = settings.workers or places_for(settings.threads)
    if settings.cluster == "local":
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=len(devices) or workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=FREE_PORT,
            silence_logs=logging.ERROR,
            resources=ONE_GPU if settings.per_gpu else None,
        )
    return _job_cluster(settings, workers)


def _job_cluster(settings: DaskSettings, workers: int) -> Any:
    handler = signal.getsignal(signal.SIGINT)
    try:
        import dask
        import dask_jobqueue
    except ImportError as error:
        message = f"dask-jobqueue cannot be imported ({error}): pip install 'instrumented-calc[cluster]'"
        raise MissingPackageError(message) from error
    # Its import lets Ctrl-C end the program as if all were done.
    signal.signal(signal.SIGINT, handler)
    kinds = {"slurm": dask_jobqueue.SLURMCluster, "htcondor": dask_jobqueue.HTCondorCluster}
    if settings.memory is None and dask.config.get(f"jobqueue.{settings.cluster}.memory", None) is None:
        message = f"the memory of a job is unknown; give --memory 4GB, or set it in {CONFIGURATION}"
        raise ExperimentError(message)
    try:
        cluster = kinds[settings.cluster](**job_options(settings))
        try:
            cluster.sync(_submit, cluster, workers)
        except BaseException:
            cluster.close()
            raise
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        message = f"--cluster {settings.cluster}: {_why(error)}; see {CONFIGURATION}"
        raise ExperimentError(message) from error
    # Not to adapt to the load: of all that Dask offers, only this replaces jobs that were lost.
    cluster.adapt(minimum_jobs=workers, maximum_jobs=workers)
    return cluster


async def _submit(cluster: Any, number: int) -> None:
    """Submit jobs. The cluster's own `scale` does not raise if the batch system refuses them."""
    from distributed import Status

    while len(cluster.worker_spec) < number:
        cluster.worker_spec.update(cluster.new_worker_spec())
    try:
        await cluster
    except BaseException:
        for job in cluster.workers.values():  # `close`, which also cancels jobs, refuses jobs without an end
            job.status = Status.failed
        raise


def _why(error: Exception) -> str:
    """Return the reason in one line: of a command that failed, what it wrote to stderr."""
    text = str(error)
    said = text.partition("stderr:")[2] or text
    return " ".join(said.split())


def job_options(settings: DaskSettings) -> dict[str, Any]:
    """Return the options of a cluster of dask-jobqueue: a job is one worker, which has one thread.

    Args:
        settings: Where the workers are.
    """
    # These options follow dask-jobqueue's own of the same name, and the last one counts.
    worker = ["--nthreads", "1", "--memory-limit", "0"]
    if settings.per_gpu:
        worker += ["--resources", "GPU=1"]
    given = {"memory": settings.memory, "walltime": settings.walltime}
    return {
        "cores": settings.threads,
        "processes": 1,
        "worker_extra_args": worker,
        "scheduler_options": {"dashboard_address": FREE_PORT},
        **{name: value for name, value in given.items() if value is not None},
    }


def _cell_environment(distributed: Any, devices: list[str], *, keeps_threshold: bool) -> Any:
    """Return a plugin that gives each worker, also a later one, the environment that its cells inherit."""

    class CellEnvironment(distributed.WorkerPlugin):  # type: ignore[misc]  # Dask has no types here
        name = "instrumented-calc-cells"

        def setup(self, worker: Any) -> None:
            if not keeps_threshold:
                os.environ.pop(TRIM_THRESHOLD, None)
            if devices:
                os.environ[VISIBLE] = devices[worker.name]  # local workers have numbers as names

    return CellEnvironment()
