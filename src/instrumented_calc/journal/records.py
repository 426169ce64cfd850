"""The records of a journal: these Structs *are* the schema.

A journal has one JSON object per line. The first record is `run_start`, the second `fields` (which describes
every field, so that readers need no package), the last `run_end`, unless the run was killed. Times are
integers in nanoseconds on the run's own monotonic clock, whose zero is `run_start`; memory is in bytes; the
unit is part of the name. An absent field was not measured, except for fields of kind *carried*, which are
written only when they change.

History of the format (the number after the slash is the major version; readers accept unknown keys and
unknown events of their own major version):

- `instrumented-calc/1`: first version.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import fields

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "instrumented-calc/1"
MAJOR_VERSION = 1

# 32 buckets per octave: the bucket alone gives a latency to +-1.6 %.
HISTOGRAM_BITS = 5
# The bucket of the longest duration that fits 63 bits.
LARGEST_BUCKET = (62 - HISTOGRAM_BITS << HISTOGRAM_BITS) + (2 << HISTOGRAM_BITS) - 1

# Largest integer: readers compute in 64 bits, and sums of a few thousand values must fit as well.
LARGEST = 2**62
Natural: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST)]
Whole: TypeAlias = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Bucket: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_BUCKET)]
# Sums of squared times: fits 2^62 calls of 2^62 ns.
Squares: TypeAlias = Annotated[float, Meta(ge=0, le=1e60)]
# A quantity that can become NaN or infinite. JSON has neither, so both are written as null.
Physical: TypeAlias = float | None


def _meta(meaning: str, unit: str = "", kind: str = "value") -> Meta:
    return Meta(description=meaning, extra_json_schema={"x-unit": unit, "x-kind": kind})


class Call(Struct, tag="call", tag_field="event", gc=False):
    """One real `calculate()` (or `evaluate()`) of a wrapped calculator."""

    index: Annotated[Natural, _meta("Number of the call in the run, from 0, in order of start", "1")]
    lane: (
        Annotated[Natural, _meta("Wrapped calculator that made the call, see `lane`", kind="carried")]
        | UnsetType
    ) = UNSET
    phase: (
        Annotated[Natural, _meta("Driver that requested the call, see `phase`", kind="carried")]
        | UnsetType
        | None
    ) = UNSET
    parent: Annotated[Natural, _meta("Index of the recorded call inside which this one ran")] | UnsetType = (
        UNSET
    )
    start_ns: Annotated[Natural, _meta("Start of the call", "ns")] = 0
    wall_ns: Annotated[Natural, _meta("Duration of the call", "ns")] = 0
    gap_ns: (
        Annotated[
            Whole, _meta("Time since the previous call of the run ended: integrator, observers, I/O", "ns")
        ]
        | UnsetType
    ) = UNSET
    n_atoms: Annotated[Natural, _meta("Number of atoms", "1", "carried")] | UnsetType | None = UNSET
    properties: Annotated[list[str], _meta("Requested properties", kind="carried")] | UnsetType | None = UNSET
    changes: (
        Annotated[
            list[str],
            _meta("ASE's system_changes; empty: nothing moved since the previous call", kind="carried"),
        ]
        | UnsetType
        | None
    ) = UNSET
    step: Annotated[Whole, _meta("Steps completed by the driver when the call started", "1")] | UnsetType = (
        UNSET
    )
    components: (
        Annotated[
            dict[str, Natural],
            _meta("Exclusive host time per component; the rest of wall_ns is `other`", "ns"),
        ]
        | UnsetType
    ) = UNSET
    observers_ns: (
        Annotated[Natural, _meta("Time in the attached driver's observers since the previous row", "ns")]
        | UnsetType
    ) = UNSET
    energy_ev: Annotated[Physical, _meta("Potential energy, if it was a host number", "eV")] | UnsetType = (
        UNSET
    )
    failure: Annotated[str, _meta("Class of the exception that ended the call")] | UnsetType = UNSET
    gc_ns: Annotated[Natural, _meta("Garbage collection during the call", "ns")] | UnsetType = UNSET
    gc_generation: Annotated[Natural, _meta("Oldest generation collected during the call")] | UnsetType = (
        UNSET
    )
    cpu_ns: (
        Annotated[Natural, _meta("CPU time of the process, all threads", "ns", "sampled, cumulative")]
        | UnsetType
    ) = UNSET
    rss_bytes: Annotated[Natural, _meta("Resident memory", "byte", "sampled")] | UnsetType = UNSET
    minor_faults: (
        Annotated[Natural, _meta("Page faults served without I/O", "1", "sampled, cumulative")] | UnsetType
    ) = UNSET
    major_faults: (
        Annotated[Natural, _meta("Page faults that needed I/O", "1", "sampled, cumulative")] | UnsetType
    ) = UNSET
    preemptions: (
        Annotated[Natural, _meta("Involuntary context switches", "1", "sampled, cumulative")] | UnsetType
    ) = UNSET
    self_ns: (
        Annotated[
            Natural,
            _meta("CPU time of the recorder, not part of wall_ns; an estimate", "ns", "sampled, cumulative"),
        ]
        | UnsetType
    ) = UNSET
    counts: (
        Annotated[dict[str, Whole], _meta("Counts of the integration: edges, overflows, ...", "1")]
        | UnsetType
    ) = UNSET
    device_ns: (
        Annotated[
            dict[str, Natural],
            _meta("Device busy time per component, by the device's clock; not host time", "ns"),
        ]
        | UnsetType
    ) = UNSET
    device_allocated_bytes: (
        Annotated[Natural, _meta("Device memory allocated to tensors", "byte", "sampled")] | UnsetType
    ) = UNSET
    device_reserved_bytes: (
        Annotated[Natural, _meta("Device memory reserved by the allocator", "byte", "sampled")] | UnsetType
    ) = UNSET
    device_free_bytes: Annotated[Natural, _meta("Free device memory", "byte", "sampled")] | UnsetType = UNSET
    compile_ns: (
        Annotated[dict[str, Natural], _meta("Time in just-in-time compilation, by function", "ns")]
        | UnsetType
    ) = UNSET
    window: (
        Annotated[Natural, _meta("Trace window open during the call, see `trace`; tracing slowed the call")]
        | UnsetType
    ) = UNSET
    sliced: Annotated[bool, _meta("The call is included in a `slice`; do not add it again")] | UnsetType = (
        UNSET
    )


class Slice(Struct, tag="slice", tag_field="event", gc=False):
    """Exact counts and sums of the calls in an interval, once a journal has reached its size limit."""

    start_ns: Annotated[Natural, _meta("Start of the first call in the slice", "ns")]
    end_ns: Annotated[Natural, _meta("End of the last call in the slice", "ns")]
    calls: Annotated[Natural, _meta("Outermost calls, failed ones included", "1")]
    nested: Annotated[Natural, _meta("Calls inside other recorded calls; not in the sums below", "1")]
    failed: Annotated[Natural, _meta("Outermost calls that raised; not in the times below", "1")]
    unchanged: Annotated[Natural, _meta("Calls whose system_changes were empty", "1")]
    wall_ns: Annotated[Natural, _meta("Sum of the durations", "ns")]
    gap_ns: Annotated[Whole, _meta("Sum of the gaps before the calls", "ns")]
    min_ns: Annotated[Natural, _meta("Shortest call", "ns")]
    max_ns: Annotated[Natural, _meta("Longest call", "ns")]
    squares_ns2: Annotated[Squares, _meta("Sum of the squared durations", "ns^2")]
    atom_calls: Annotated[Natural, _meta("Sum of n_atoms over the calls where it is known", "1")]
    histogram: Annotated[
        list[tuple[Bucket, Natural]],
        _meta(
            "Pairs (bucket, calls). Bucket b contains durations d in ns with"
            " b = d for d < 64, else b = 32*(k-6) + (d >> (k-6)), k = bit length of d"
        ),
    ]
    phase: Annotated[Natural, _meta("Driver that requested the calls")] | UnsetType | None = UNSET
    first_step: Annotated[Whole, _meta("Smallest step of a call", "1")] | UnsetType = UNSET
    last_step: Annotated[Whole, _meta("Largest step of a call", "1")] | UnsetType = UNSET
    components: Annotated[dict[str, Natural], _meta("Sums of exclusive host times", "ns")] | UnsetType = UNSET
    observers_ns: Annotated[Natural, _meta("Time in the attached driver's observers", "ns")] | UnsetType = (
        UNSET
    )
    passed: (
        Annotated[
            Natural,
            _meta(
                "Calls of the run, in the order of recording, up to the end of the slice; see `last_calls`",
                "1",
            ),
        ]
        | UnsetType
    ) = UNSET


class LastCalls(Struct, tag="last_calls", tag_field="event"):
    """Header of a black box segment: a file next to a thinned journal with the newest calls in full."""

    run_id: Annotated[str, _meta("Run that the calls belong to")]
    passed: Annotated[
        Natural, _meta("Calls of the run, in the order of recording, before the one that follows", "1")
    ]


class OpenCall(Struct, tag="open_call", tag_field="event", gc=False):
    """A call that has not ended yet: written after 1 s, 2 s, 4 s, ..., then every 30 s."""

    index: Annotated[Natural, _meta("The call")]
    time_ns: Annotated[Natural, _meta("When", "ns")]
    open_ns: Annotated[Natural, _meta("Time since its start", "ns")]
    thread: Annotated[str, _meta("Name of its thread")] | UnsetType = UNSET


class Operands(Struct, omit_defaults=True):
    """Inspected calls of a contraction, grouped by operand types and shapes."""

    operands: Annotated[list[str], _meta("dtype[shape] of each operand, with @device if not on the host")]
    seen: Annotated[Natural, _meta("Inspected calls", "1")]
    ns: Annotated[Natural, _meta("Host time of these calls", "ns")] | UnsetType = UNSET
    squares_ns2: Annotated[Squares, _meta("Sum of their squared times", "ns^2")] | UnsetType = UNSET
    line: Annotated[str, _meta("Module and line of the first of these calls")] = ""
    sampled: Annotated[bool, _meta("Whether they are a sample that also represents calls not inspected")] = (
        False
    )


class Contraction(Struct, omit_defaults=True):
    """Calls of one contraction in one component since the previous record."""

    equation: Annotated[str, _meta("Einsum equation as given; `*other*`: equations beyond the limit")]
    library: Annotated[str, _meta("Library: numpy, torch, jax")]
    calls: Annotated[
        Natural, _meta("Calls, counted exactly; only those in `operands` and `timed` are timed", "1")
    ]
    component: Annotated[str, _meta("Calling component; empty: the calculation itself")] = ""
    optimize: Annotated[bool, _meta("Whether `optimize` was requested")] = False
    operands: Annotated[list[Operands], _meta("Inspected calls by operands")] = []
    timed: Annotated[Natural, _meta("Further calls that were timed but not inspected", "1")] = 0
    ns: Annotated[Natural, _meta("Time of the `timed` calls", "ns")] = 0
    squares_ns2: Annotated[Squares, _meta("Sum of their squared times", "ns^2")] = 0.0
    scope: Annotated[str, _meta("Enclosing modules in a JAX program, e.g. `Model/embedding`")] = ""
    einsum: Annotated[
        str,
        _meta("Einsum in a JAX program that this operation is a step or a derivative of"),
    ] = ""
    uncertain: Annotated[
        bool, _meta("Inside a loop or branch with an unknown number of runs: counted once")
    ] = False


class Contractions(Struct, tag="contractions", tag_field="event"):
    """Contractions inside calls since the previous record, at most once per second."""

    time_ns: Annotated[Natural, _meta("When", "ns")]
    contractions: Annotated[list[Contraction], _meta("One entry per equation and component")]


class Conversion(Struct, omit_defaults=True):
    """Conversions of one kind in one component since the previous record."""

    kind: Annotated[
        str,
        _meta(
            "`numpy to torch`, `torch to numpy`, `cast`, `host to device`, `device to host`,"
            " `device to device` or `sync` (the host waited for a device)"
        ),
    ]
    source: Annotated[str, _meta("dtype@device of the source; for `sync`: the array waited for")]
    calls: Annotated[Natural, _meta("Calls, counted exactly", "1")]
    ns: Annotated[Natural, _meta("Host time of these calls", "ns")]
    target: Annotated[str, _meta("dtype@device of the result; empty: a Python number or no result")] = ""
    bytes: Annotated[Natural, _meta("Size of the result, including results that share memory", "byte")] = 0
    component: Annotated[str, _meta("Calling component; empty: the calculation itself")] = ""


class Conversions(Struct, tag="conversions", tag_field="event", omit_defaults=True):
    """Conversions and copies inside calls since the previous record, at most once per second."""

    time_ns: Annotated[Natural, _meta("When", "ns")]
    conversions: Annotated[list[Conversion], _meta("One entry per kind, source, target and component")]
    unseen: Annotated[list[str], _meta("Functions not counted because torch.compile is in use")] = (
        msgspec.field(default_factory=list)
    )


class TracedOperation(Struct, omit_defaults=True):
    """One kind of operation in a trace window, summed; `*between operations*`: time with none running."""

    operation: Annotated[str, _meta("Name given by the tracer: aten::addmm, a kernel name, ...")]
    calls: Annotated[Natural, _meta("Number of times it ran in the window", "1")]
    component: Annotated[str, _meta("Timed component it ran in; empty: outside all components")] = ""
    shapes: Annotated[str, _meta("Shapes of its operands, [2,3] [3,4]; empty: not known")] = ""
    self_ns: Annotated[Natural, _meta("Exclusive host time", "ns")] | UnsetType = UNSET
    device_ns: Annotated[Natural, _meta("Device time of its kernels", "ns")] | UnsetType = UNSET


class Trace(Struct, tag="trace", tag_field="event"):
    """One trace window: the operations inside a few consecutive calls."""

    window: Annotated[Natural, _meta("Number of the window in its run, from 1")]
    tracer: Annotated[str, _meta("torch.profiler or jax.profiler")]
    index: Annotated[Natural, _meta("First call in the window")]
    calls: Annotated[Natural, _meta("Calls in the window", "1")]
    start_ns: Annotated[Natural, _meta("Start of its first call", "ns")]
    wall_ns: Annotated[Natural, _meta("Sum of its calls' durations", "ns")]
    profiler_ns: Annotated[
        Natural, _meta("Time to start, stop and sum the trace; not part of any call", "ns")
    ]
    operations: Annotated[list[TracedOperation], _meta("Sums by component, operation and shapes")]
    left_out: Annotated[Natural, _meta("Operations beyond the limit, summed as `*other*`", "1")] = 0
    launches: Annotated[Natural, _meta("Kernels and copies that ran on the device", "1")] | UnsetType = UNSET
    device_busy_ns: (
        Annotated[Natural, _meta("Time in which at least one of them ran, by the device's clock", "ns")]
        | UnsetType
    ) = UNSET
    file: Annotated[str, _meta("Chrome trace file next to the journal")] | UnsetType = UNSET


class State(Struct, tag="state", tag_field="event"):
    """State of the simulation at the end of a call, periodically; absent values were not measured."""

    index: Annotated[Natural, _meta("The call")]
    kinetic_ev: Annotated[Physical, _meta("Kinetic energy of the whole step", "eV")] | UnsetType = UNSET
    conserved_ev: (
        Annotated[
            Physical, _meta("Conserved quantity of the ensemble; NVE: potential plus kinetic energy", "eV")
        ]
        | UnsetType
    ) = UNSET
    volume_a3: Annotated[Physical, _meta("Volume of the periodic cell", "A^3")] | UnsetType = UNSET
    farthest_cells: (
        Annotated[Physical, _meta("Largest distance from the cell centre along an axis, plus 1/2", "cells")]
        | UnsetType
    ) = UNSET
    non_finite: Annotated[list[str], _meta("Results that contain NaN or infinity")] | UnsetType = UNSET
    graph_retained: Annotated[list[str], _meta("Results that carry an autograd graph")] | UnsetType = UNSET


class Gpu(Struct, omit_defaults=True):
    """One GPU in use, as reported by its driver."""

    index: Annotated[Natural, _meta("Device number in this process")]
    utilization_percent: (
        Annotated[Natural, _meta("Share of the last sample period in which a kernel ran", "%")] | UnsetType
    ) = UNSET
    sm_clock_mhz: Annotated[Natural, _meta("Clock of its multiprocessors", "MHz")] | UnsetType = UNSET
    used_bytes: Annotated[Natural, _meta("Memory in use by all processes", "byte")] | UnsetType = UNSET
    slowed_by: Annotated[list[str], _meta("Reasons for a reduced clock")] | UnsetType = UNSET
    other_processes: Annotated[Natural, _meta("Other compute processes", "1")] | UnsetType = UNSET


class Machine(Struct, tag="machine", tag_field="event"):
    """State of the machine, every few seconds; absent values were not measured."""

    time_ns: Annotated[Natural, _meta("When", "ns")]
    cgroup_periods: (
        Annotated[Natural, _meta("Periods of the CPU quota so far", "1", "cumulative")] | UnsetType
    ) = UNSET
    cgroup_throttled: (
        Annotated[Natural, _meta("Periods in which the quota was used up", "1", "cumulative")] | UnsetType
    ) = UNSET
    pss_bytes: (
        Annotated[
            Natural,
            _meta("Resident memory, shared pages divided by the number of processes that share them", "byte"),
        ]
        | UnsetType
    ) = UNSET
    rss_bytes: Annotated[Natural, _meta("Resident memory of the process", "byte")] | UnsetType = UNSET
    peak_rss_bytes: Annotated[Natural, _meta("Peak resident memory so far", "byte")] | UnsetType = UNSET
    available_bytes: (
        Annotated[Natural, _meta("Memory of the machine that is still available", "byte")] | UnsetType
    ) = UNSET
    cgroup_memory_bytes: (
        Annotated[Natural, _meta("Memory in use, without caches, in the cgroup nearest to its limit", "byte")]
        | UnsetType
    ) = UNSET
    cgroup_memory_limit_bytes: Annotated[Natural, _meta("Limit of that cgroup", "byte")] | UnsetType = UNSET
    oom_kills: (
        Annotated[Natural, _meta("Processes of the cgroups killed because memory ran out", "1", "cumulative")]
        | UnsetType
    ) = UNSET
    open_files: Annotated[Natural, _meta("Open file descriptors of the process", "1")] | UnsetType = UNSET
    open_files_limit: Annotated[Natural, _meta("Limit on open file descriptors", "1")] | UnsetType = UNSET
    disk_free_bytes: (
        Annotated[Natural, _meta("Free space of the journal's file system", "byte")] | UnsetType
    ) = UNSET
    clock_step_ns: (
        Annotated[
            Whole,
            _meta(
                "Difference of the wall clock from the run's clock since the start; absent below 1 s", "ns"
            ),
        ]
        | UnsetType
    ) = UNSET
    jax_bytes: Annotated[Natural, _meta("Device memory in use by JAX", "byte")] | UnsetType = UNSET
    gpus: Annotated[list[Gpu], _meta("GPUs in use")] | UnsetType = UNSET


class Finding(Struct, tag="finding", tag_field="event"):
    """A finding that was reported during the run."""

    rule: Annotated[str, _meta("Stable kebab-case id of the rule")]
    text: Annotated[str, _meta("The finding in plain text")]
    time_ns: Annotated[Natural, _meta("When", "ns")]
    numbers: Annotated[dict[str, Any], _meta("Figures of the finding")]


class Library(Struct):
    """One installed library that may affect a run's figures."""

    name: str
    version: str


class ThreadPool(Struct):
    """One native thread pool, as reported by threadpoolctl."""

    library: Annotated[str, _meta("User API of the pool: blas, openmp, ...")]
    implementation: Annotated[str, _meta("openblas, mkl, libgomp, ...")]
    threads: Annotated[Natural, _meta("Threads in use", "1")]
    version: str | None = None


class Environment(Struct, omit_defaults=True):
    """The machine and software of a run; unknown values are absent."""

    host: Annotated[str, _meta("Host name")] | UnsetType = UNSET
    platform: Annotated[str, _meta("Operating system and architecture")] | UnsetType = UNSET
    python: Annotated[str, _meta("Python implementation and version")] | UnsetType = UNSET
    cpu: Annotated[str, _meta("Processor model")] | UnsetType = UNSET
    cpu_count: Annotated[Natural, _meta("Logical processors of the machine", "1")] | UnsetType = UNSET
    affinity: Annotated[Natural, _meta("Logical processors that this process may use", "1")] | UnsetType = (
        UNSET
    )
    cgroup_cpus: Annotated[Physical, _meta("CPU quota of the cgroup, in processors", "1")] | UnsetType = UNSET
    memory_bytes: Annotated[Natural, _meta("Physical memory", "byte")] | UnsetType = UNSET
    cgroup_memory_bytes: Annotated[Natural, _meta("Memory limit of the cgroup", "byte")] | UnsetType = UNSET
    threads_wanted: (
        Annotated[dict[str, str], _meta("Thread variables of the environment, as they were set")] | UnsetType
    ) = UNSET
    threads_effective: (
        Annotated[list[ThreadPool], _meta("Native thread pools at the first call")] | UnsetType
    ) = UNSET
    torch_threads: Annotated[list[Natural], _meta("torch threads: intra-op, inter-op", "1")] | UnsetType = (
        UNSET
    )
    torch: (
        Annotated[dict[str, Any], _meta("torch's default dtype, matmul precision and devices")] | UnsetType
    ) = UNSET
    libraries: Annotated[list[Library], _meta("Versions of installed libraries")] | UnsetType = UNSET
    scheduler: Annotated[dict[str, str], _meta("Batch system: name, job id, ...")] | UnsetType = UNSET
    job_ends: (
        Annotated[str, _meta("UTC time at which the batch system ends the job, ISO 8601")] | UnsetType
    ) = UNSET


class RunStart(Struct, tag="run_start", tag_field="event"):
    """Line 1 of every journal."""

    schema: Annotated[str, _meta("Name and major version of the format")]
    run_id: Annotated[str, _meta("Unique id of the run")]
    started: Annotated[str, _meta("UTC time at which the run's clock was zero, ISO 8601")]
    pid: Annotated[Natural, _meta("Process id")]
    version: Annotated[str, _meta("Version of instrumented-calc")]
    command: Annotated[list[str], _meta("Command line of the process")] | UnsetType = UNSET
    directory: Annotated[str, _meta("Working directory at the first call")] | UnsetType = UNSET
    settings: Annotated[dict[str, Any], _meta("Settings of the recorder")] | UnsetType = UNSET
    parent_run_id: Annotated[str, _meta("Run of the process that forked or pickled this one")] | UnsetType = (
        UNSET
    )
    rank: Annotated[Whole, _meta("MPI rank")] | UnsetType = UNSET
    series: (
        Annotated[str, _meta("Links the parts of a requeued job: job id or INSTRUMENTED_CALC_SERIES")]
        | UnsetType
    ) = UNSET
    continues: (
        Annotated[bool, _meta("The journal file vanished during the run; this file continues it")] | UnsetType
    ) = UNSET
    environment: Annotated[Environment, _meta("The machine and its software")] = msgspec.field(
        default_factory=Environment
    )


class FieldMeaning(Struct):
    """Description of one field of one event."""

    event: str
    name: str
    unit: str
    kind: str
    meaning: str


class Fields(Struct, tag="fields", tag_field="event"):
    """Line 2: the meaning of every field of the journal."""

    fields: Annotated[list[FieldMeaning], _meta("One entry per field")]


class Lane(Struct, tag="lane", tag_field="event"):
    """One wrapped calculator, written at its first call."""

    lane: Annotated[Natural, _meta("Number of the lane")]
    calculator: Annotated[str, _meta("Class of the calculator, with its module")]
    seen_by: Annotated[
        str,
        _meta(
            "How calls are recorded: `twin` (every calculate), `instance` (calculate patched on the"
            " instance) or `get_property` (only outside requests; includes cache hits)"
        ),
    ]
    cache_hits_known: (
        Annotated[
            bool,
            _meta(
                "For `get_property` lanes: whether answers from the calculator's cache are distinguished from"
                " calculations; if not, they are counted as calls, and the number is an upper limit"
            ),
        ]
        | UnsetType
    ) = UNSET
    n_atoms: Annotated[Natural, _meta("Atoms at the first call", "1")] | UnsetType = UNSET
    formula: Annotated[str, _meta("Chemical formula at the first call")] | UnsetType = UNSET
    model: Annotated[dict[str, Any], _meta("Model information from the integration")] | UnsetType = UNSET
    groups: (
        Annotated[
            dict[str, str],
            _meta("Timed components of the calculator and the group each belongs to, if any"),
        ]
        | UnsetType
    ) = UNSET


class Phase(Struct, tag="phase", tag_field="event"):
    """A driver (integrator or optimizer) started to request forces."""

    phase: Annotated[Natural, _meta("Number of the phase")]
    driver: Annotated[str, _meta("Class of the driver")]
    kind: Annotated[str, _meta("`md`, `optimizer` or `dynamics`")]
    index: Annotated[Natural, _meta("First call known to belong to the phase", "1")]
    ensemble: Annotated[str, _meta("NVE, NVT or NPT")] | UnsetType = UNSET
    timestep_fs: Annotated[Physical, _meta("MD time step", "fs")] | UnsetType = UNSET


class Notice(Struct, tag="notice", tag_field="event"):
    """Something that happened to the recording, or a user's own mark."""

    kind: Annotated[str, _meta("Stable kebab-case name of the notice")]
    text: Annotated[str, _meta("The notice in plain text")]
    time_ns: Annotated[Natural, _meta("When", "ns")] | UnsetType = UNSET
    run_id: Annotated[str, _meta("Run of the notice")] | UnsetType = UNSET
    level: Annotated[str, _meta("`info` or `warning`")] | UnsetType = UNSET
    details: Annotated[dict[str, Any], _meta("Figures of the notice")] | UnsetType = UNSET


class Counters(Struct):
    """Events that are counted but have no rows; totals since the start of the run."""

    calls: Annotated[Natural, _meta("Real calculations that ended, nested and failed ones too", "1")] = 0
    nested: Annotated[Natural, _meta("Calls inside other recorded calls", "1")] = 0
    failed: Annotated[Natural, _meta("Calls that raised an exception", "1")] = 0
    get_property: Annotated[Natural, _meta("get_property() calls from outside a calculation", "1")] = 0
    cache_hits: Annotated[Natural, _meta("get_property() calls answered without a calculation", "1")] = 0
    not_implemented: Annotated[Natural, _meta("PropertyNotImplementedError answers", "1")] = 0
    lost_rows: Annotated[Natural, _meta("Rows that could not be written", "1")] = 0
    faults: Annotated[Natural, _meta("Faults of the recorder itself", "1")] = 0
    self_ns: Annotated[Natural, _meta("The recorder's own time", "ns")] = 0


class Tally(Struct, tag="counters", tag_field="event"):
    """The counters during the run, every few seconds, so that a truncated journal has them too."""

    time_ns: Annotated[Natural, _meta("When", "ns")]
    counters: Annotated[Counters, _meta("Totals since the start of the run")]


class RunEnd(Struct, tag="run_end", tag_field="event"):
    """The last record of a run that ended normally."""

    reason: Annotated[
        str, _meta("`closed`, `collected` (no calculator left) or `exit`; 0.1.0 also wrote `SIGTERM`")
    ]
    time_ns: Annotated[Natural, _meta("End of the run", "ns")]
    ended: Annotated[str, _meta("UTC time, ISO 8601")]
    counters: Annotated[Counters, _meta("Totals of the run")]
    run_id: Annotated[str, _meta("Run that ends")] | UnsetType = UNSET
    observers_ns: Annotated[Natural, _meta("Time in observers after the last row", "ns")] | UnsetType = UNSET
    failure: (
        Annotated[str, _meta("Class of the exception that ended the program or the `with` block")] | UnsetType
    ) = UNSET
    failure_message: Annotated[str, _meta("Its message, shortened")] | UnsetType = UNSET


Record: TypeAlias = (
    Call
    | Slice
    | LastCalls
    | OpenCall
    | Contractions
    | Conversions
    | Trace
    | State
    | Machine
    | Finding
    | RunStart
    | Fields
    | Lane
    | Phase
    | Notice
    | Tally
    | RunEnd
)
RECORDS: tuple[type[Struct], ...] = (
    RunStart,
    Fields,
    Lane,
    Phase,
    Call,
    Slice,
    LastCalls,
    OpenCall,
    Contractions,
    Conversions,
    Trace,
    State,
    Machine,
    Finding,
    Tally,
    Notice,
    RunEnd,
)


def black_box_path(journal: Path) -> Path:
    """Return the first name used by the files of a journal's black box: `run.jsonl.last`."""
    return journal.with_name(f"{journal.name}.last")


def bucket_of(wall_ns: int) -> int:
    """Return the histogram bucket of a duration.

    Args:
        wall_ns: A duration, in ns, not negative.

    Returns:
        The bucket number: 32 buckets per octave, exact below 64 ns.
    """
    shift = wall_ns.bit_length() - HISTOGRAM_BITS - 1
    return wall_ns if shift <= 0 else (shift << HISTOGRAM_BITS) + (wall_ns >> shift)


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """Return the range of durations in a histogram bucket.

    Args:
        bucket: A number returned by `bucket_of`.

    Returns:
        The smallest duration in the bucket and the first one above it, in ns.
    """
    if bucket < 2 << HISTOGRAM_BITS:
        return bucket, bucket + 1
    shift = (bucket >> HISTOGRAM_BITS) - 1
    mantissa = bucket - (shift << HISTOGRAM_BITS)
    return mantissa << shift, (mantissa + 1) << shift


@cache  # it takes milliseconds, and is the same for every run of a process
def describe_fields() -> Fields:
    """Return the journal's second record, made from the Structs above."""
    return Fields(fields=[meaning for record in RECORDS for meaning in describe(record)])


def describe(record: type[Struct]) -> list[FieldMeaning]:
    """Return the meaning of each field of a record."""
    event = str(record.__struct_config__.tag)
    return [_meaning(event, field.encode_name, field.type) for field in fields(record)]


def _meaning(event: str, name: str, annotation: Any) -> FieldMeaning:
    """Read the metadata of `_meta` from a field's annotation, which may be one of several alternatives."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.description:
                known = meta.extra_json_schema or {}
                return FieldMeaning(event, name, known["x-unit"], known["x-kind"], meta.description)
    return FieldMeaning(event, name, unit="", kind="value", meaning="")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of a journal (draft 2020-12)."""
    schema = msgspec.json.schema(Record)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **schema,
    }
