"""The machine and software of a run."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Struct, UnsetType

from instrumented_calc.journal.records.values import Natural, Physical, meta


class Library(Struct):
    """One installed library that may affect a run's figures."""

    name: str
    version: str


class ThreadPool(Struct):
    """One native thread pool, as reported by threadpoolctl."""

    library: Annotated[str, meta("User API of the pool: blas, openmp, ...")]
    implementation: Annotated[str, meta("openblas, mkl, libgomp, ...")]
    threads: Annotated[Natural, meta("Threads in use", "1")]
    version: str | None = None


class Environment(Struct, omit_defaults=True):
    """The machine and software of a run; unknown values are absent."""

    host: Annotated[str, meta("Host name")] | UnsetType = UNSET
    platform: Annotated[str, meta("Operating system and architecture")] | UnsetType = UNSET
    python: Annotated[str, meta("Python implementation and version")] | UnsetType = UNSET
    cpu: Annotated[str, meta("Processor model")] | UnsetType = UNSET
    cpu_count: Annotated[Natural, meta("Logical processors of the machine", "1")] | UnsetType = UNSET
    physical_cores: Annotated[Natural, meta("Processor cores of the machine", "1")] | UnsetType = UNSET
    affinity: Annotated[Natural, meta("Logical processors that this process may use", "1")] | UnsetType = (
        UNSET
    )
    cgroup_cpus: Annotated[Physical, meta("CPU quota of the cgroup, in processors", "1")] | UnsetType = UNSET
    memory_bytes: Annotated[Natural, meta("Physical memory", "byte")] | UnsetType = UNSET
    cgroup_memory_bytes: Annotated[Natural, meta("Memory limit of the cgroup", "byte")] | UnsetType = UNSET
    threads_wanted: (
        Annotated[dict[str, str], meta("Thread variables of the environment, as they were set")] | UnsetType
    ) = UNSET
    threads_effective: (
        Annotated[list[ThreadPool], meta("Native thread pools at the first call")] | UnsetType
    ) = UNSET
    torch_threads: Annotated[list[Natural], meta("torch threads: intra-op, inter-op", "1")] | UnsetType = (
        UNSET
    )
    torch: (
        Annotated[dict[str, Any], meta("torch's default dtype, matmul precision and devices")] | UnsetType
    ) = UNSET
    libraries: Annotated[list[Library], meta("Versions of installed libraries")] | UnsetType = UNSET
    debugging_aids: (
        Annotated[
            dict[str, str],
            meta("Debugging aids that are on at the first call, each with its setting; may be empty"),
        ]
        | UnsetType
    ) = UNSET
    scheduler: Annotated[dict[str, str], meta("Batch system: name, job id, ...")] | UnsetType = UNSET
    job_ends: (
        Annotated[str, meta("UTC time at which the batch system ends the job, ISO 8601")] | UnsetType
    ) = UNSET
