"""The batch system that runs this process, according to its environment variables."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.masking import mask_secrets, mask_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

# Per batch system, our keys and the variables that hold them. The variable for `job_id` decides whether the
# system runs this process.
VARIABLES = {
    "Slurm": {
        "job_id": "SLURM_JOB_ID",
        "job_name": "SLURM_JOB_NAME",
        "array_id": "SLURM_ARRAY_JOB_ID",
        "array_index": "SLURM_ARRAY_TASK_ID",
        "node": "SLURMD_NODENAME",
        "partition": "SLURM_JOB_PARTITION",
        "restarts": "SLURM_RESTART_COUNT",
    },
    "PBS": {
        "job_id": "PBS_JOBID",
        "job_name": "PBS_JOBNAME",
        "array_index": "PBS_ARRAY_INDEX",
        "queue": "PBS_QUEUE",
    },
    "LSF": {
        "job_id": "LSB_JOBID",
        "job_name": "LSB_JOBNAME",
        "array_index": "LSB_JOBINDEX",
        "queue": "LSB_QUEUE",
    },
}
CONDOR_ATTRIBUTES = {
    "job_id": "GlobalJobId",
    "cluster": "ClusterId",
    "process": "ProcId",
    "starts": "NumJobStarts",
}
LATEST = 32_503_680_000  # the year 3000, in seconds since the epoch
RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")


def scheduler(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the batch system's name, the job id and further variables.

    Args:
        variables: The process's environment.

    Returns:
        The keys of `VARIABLES` that are set, and `name`; empty outside a batch job.
    """
    for name, known in VARIABLES.items():
        if known["job_id"] in variables:
            found = {key: variables[variable] for key, variable in known.items() if variable in variables}
            if found.get("array_index") == "0" and name == "LSF":
                del found["array_index"]  # LSF's value for a job that is not an array
            return {"name": name, **mask_variables(found)}
    if "_CONDOR_SCRATCH_DIR" in variables:
        return {"name": "HTCondor", **_condor(variables)}
    return {}


def series(variables: Mapping[str, str] = os.environ) -> str | None:
    """Return a key that links the parts of a job that was stopped and requeued.

    Args:
        variables: The process's environment.

    Returns:
        INSTRUMENTED_CALC_SERIES if it is set, else the batch system and the job id, which stays
        the same when the job is requeued; None outside a batch job.
    """
    named = variables.get("INSTRUMENTED_CALC_SERIES")
    if named:
        return mask_secrets(named)
    job = scheduler(variables)
    if "job_id" not in job:
        return None
    index = f"[{job['array_index']}]" if "array_index" in job else ""
    return f"{job['name']} {job['job_id']}{index}"


def job_ends(variables: Mapping[str, str] = os.environ, *, process_start: float | None = None) -> str | None:
    """Return the time at which the batch system ends the job.

    Slurm gives the time itself, Torque and PBS the allowed duration in seconds. This is counted from the
    start of this process: the job began before, so the returned time is the latest possible. LSF gives
    neither.

    Args:
        variables: The process's environment.
        process_start: Start of the process, in seconds since the epoch; None: ask the system.

    Returns:
        UTC time, ISO 8601; None if the limit is unknown.
    """
    end = _number(variables.get("SLURM_JOB_END_TIME"))
    if end is None and "PBS_JOBID" in variables:
        seconds = _number(variables.get("PBS_WALLTIME"))
        if seconds is not None:
            end = seconds + (psutil.Process().create_time() if process_start is None else process_start)
    if end is None:
        end = _condor_end(_condor_attributes(variables))
    return None if end is None else datetime.fromtimestamp(end, timezone.utc).isoformat(timespec="seconds")


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError as error:
        if is_foreign(error):
            raise
        return None
    return value if 0 < value < LATEST else None


def _condor_end(attributes: Mapping[str, str]) -> float | None:
    """Return the end of the first of the limits that HTCondor has for a job, in seconds since the epoch."""
    starts = "JobCurrentStartDate", "JobStartDate"
    began = next((value for name in starts if (value := _number(attributes.get(name)))), None)
    allowed = [_number(attributes.get(name)) for name in ("AllowedExecuteDuration", "AllowedJobDuration")]
    known = [each for each in allowed if each is not None]
    return began + min(known) if began is not None and known else None


def mpi_rank(variables: Mapping[str, str] = os.environ) -> int | None:
    """Return the process's rank among its MPI siblings.

    Args:
        variables: The process's environment.

    Returns:
        The rank, from 0; None if the process was not started as one of several.
    """
    for name in RANKS:
        if variables.get(name, "").isdigit():
            return int(variables[name])
    # A batch script and a job of one task also have SLURM_PROCID=0, and neither is a rank.
    tasks, rank = variables.get("SLURM_NTASKS", ""), variables.get("SLURM_PROCID", "")
    if "SLURM_STEP_ID" in variables and tasks.isdigit() and int(tasks) > 1 and rank.isdigit():
        return int(rank)
    return None


def _condor(variables: Mapping[str, str]) -> dict[str, str]:
    slot = {"slot": variables["_CONDOR_SLOT"]} if "_CONDOR_SLOT" in variables else {}
    attributes = _condor_attributes(variables)
    return {key: attributes[name] for key, name in CONDOR_ATTRIBUTES.items() if name in attributes} | slot


def _condor_attributes(variables: Mapping[str, str]) -> dict[str, str]:
    """Read the job's description, because HTCondor puts no job id in the environment."""
    path = variables.get("_CONDOR_JOB_AD")
    if path is None and "_CONDOR_SCRATCH_DIR" in variables:
        path = f"{variables['_CONDOR_SCRATCH_DIR']}/.job.ad"
    if path is None:
        return {}
    try:
        description = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if is_foreign(error):
            raise
        return {}
    return dict(re.findall(r'^(\w+) = "?(.*?)"?$', description, re.MULTILINE))
