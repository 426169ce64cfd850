"""Calls: in full, summed, the newest ones, and those that have not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Struct, UnsetType

from instrumented_calc.journal.records.histogram import Bucket
from instrumented_calc.journal.records.values import Natural, Physical, Squares, Whole, meta

if TYPE_CHECKING:
    from pathlib import Path


class Call(Struct, tag="call", tag_field="event", gc=False):
    """One real `calculate()` (or `evaluate()`) of a wrapped calculator."""

    index: Annotated[Natural, meta("Number of the call in the run, from 0, in order of start", "1")]
    lane: (
        Annotated[Natural, meta("Wrapped calculator that made the call, see `lane`", kind="carried")]
        | UnsetType
    ) = UNSET
    phase: (
        Annotated[Natural, meta("Driver that requested the call, see `phase`", kind="carried")]
        | UnsetType
        | None
    ) = UNSET
    parent: Annotated[Natural, meta("Index of the recorded call inside which this one ran")] | UnsetType = (
        UNSET
    )
    start_ns: Annotated[Natural, meta("Start of the call", "ns")] = 0
    wall_ns: Annotated[Natural, meta("Duration of the call", "ns")] = 0
    gap_ns: (
        Annotated[
            Whole, meta("Time since the previous call of the run ended: integrator, observers, I/O", "ns")
        ]
        | UnsetType
    ) = UNSET
    n_atoms: Annotated[Natural, meta("Number of atoms", "1", "carried")] | UnsetType | None = UNSET
    properties: Annotated[list[str], meta("Requested properties", kind="carried")] | UnsetType | None = UNSET
    changes: (
        Annotated[
            list[str],
            meta("ASE's system_changes; empty: nothing moved since the previous call", kind="carried"),
        ]
        | UnsetType
        | None
    ) = UNSET
    step: Annotated[Whole, meta("Steps completed by the driver when the call started", "1")] | UnsetType = (
        UNSET
    )
    components: (
        Annotated[
            dict[str, Natural],
            meta("Exclusive host time per component; the rest of wall_ns is `other`", "ns"),
        ]
        | UnsetType
    ) = UNSET
    observers_ns: (
        Annotated[Natural, meta("Time in the attached driver's observers since the previous row", "ns")]
        | UnsetType
    ) = UNSET
    energy_ev: Annotated[Physical, meta("Potential energy, if it was a host number", "eV")] | UnsetType = (
        UNSET
    )
    system: Annotated[Natural, meta("Composition, see `system`", kind="carried")] | UnsetType | None = UNSET
    failure: (
        Annotated[
            str,
            meta(
                "Class of the exception that ended the call; `PropertyNotImplementedError` (or derived"
                " from it) is an answer, not a failure"
            ),
        ]
        | UnsetType
    ) = UNSET
    gc_ns: Annotated[Natural, meta("Garbage collection during the call", "ns")] | UnsetType = UNSET
    gc_generation: Annotated[Natural, meta("Oldest generation collected during the call")] | UnsetType = UNSET
    cpu_ns: (
        Annotated[Natural, meta("CPU time of the process, all threads", "ns", "sampled, cumulative")]
        | UnsetType
    ) = UNSET
    rss_bytes: Annotated[Natural, meta("Resident memory", "byte", "sampled")] | UnsetType = UNSET
    minor_faults: (
        Annotated[Natural, meta("Page faults served without I/O", "1", "sampled, cumulative")] | UnsetType
    ) = UNSET
    major_faults: (
        Annotated[Natural, meta("Page faults that needed I/O", "1", "sampled, cumulative")] | UnsetType
    ) = UNSET
    preemptions: (
        Annotated[Natural, meta("Involuntary context switches", "1", "sampled, cumulative")] | UnsetType
    ) = UNSET
    self_ns: (
        Annotated[
            Natural,
            meta("CPU time of the recorder, not part of wall_ns; an estimate", "ns", "sampled, cumulative"),
        ]
        | UnsetType
    ) = UNSET
    counts: (
        Annotated[dict[str, Whole], meta("Counts of the integration: edges, overflows, ...", "1")] | UnsetType
    ) = UNSET
    device_ns: (
        Annotated[
            dict[str, Natural],
            meta(
                "Time per component in the device's stream, by its clock, in one of 11 calls; gaps in which"
                " the device waits for the host are included",
                "ns",
            ),
        ]
        | UnsetType
    ) = UNSET
    device_allocated_bytes: (
        Annotated[Natural, meta("Device memory allocated to tensors", "byte", "sampled")] | UnsetType
    ) = UNSET
    device_peak_bytes: (
        Annotated[
            Natural,
            meta("Peak of the device memory allocated to tensors, during calls, too", "byte", "sampled"),
        ]
        | UnsetType
    ) = UNSET
    device_reserved_bytes: (
        Annotated[Natural, meta("Device memory reserved by the allocator", "byte", "sampled")] | UnsetType
    ) = UNSET
    device_free_bytes: Annotated[Natural, meta("Free device memory", "byte", "sampled")] | UnsetType = UNSET
    compile_ns: (
        Annotated[dict[str, Natural], meta("Time in just-in-time compilation, by function", "ns")] | UnsetType
    ) = UNSET
    child_cpu_ns: (
        Annotated[
            Natural,
            meta(
                "CPU time of the external program's processes: those that ended during its execution, or"
                " since the previous reading if it keeps running",
                "ns",
            ),
        ]
        | UnsetType
    ) = UNSET
    child_peak_bytes: (
        Annotated[
            Natural,
            meta(
                "Largest memory of one child process so far, if it has grown; of ended ones only if it is"
                " larger than the recorded process's own peak, which the system may count as theirs",
                "byte",
            ),
        ]
        | UnsetType
    ) = UNSET
    child_exit_status: (
        Annotated[
            Whole,
            meta(
                "Exit status of the external program, if the call failed for it; -n: ended by signal n", "1"
            ),
        ]
        | UnsetType
    ) = UNSET
    window: (
        Annotated[Natural, meta("Trace window open during the call, see `trace`; tracing slowed the call")]
        | UnsetType
    ) = UNSET
    repeats: (
        Annotated[
            Natural,
            meta(
                "An earlier call with the same geometry: of this calculator, or of another one that found the"
                " same energy; looked up at some calls"
            ),
        ]
        | UnsetType
    ) = UNSET
    profiled: (
        Annotated[bool, meta("A step profile ran during the call and the gap before, and slowed both")]
        | UnsetType
    ) = UNSET
    sliced: Annotated[bool, meta("The call is included in a `slice`; do not add it again")] | UnsetType = (
        UNSET
    )


class Slice(Struct, tag="slice", tag_field="event", gc=False):
    """Exact counts and sums of the calls in an interval, once a journal has reached its size limit."""

    start_ns: Annotated[Natural, meta("Start of the first call in the slice", "ns")]
    end_ns: Annotated[Natural, meta("End of the last call in the slice", "ns")]
    calls: Annotated[Natural, meta("Outermost calls, failed ones included", "1")]
    nested: Annotated[Natural, meta("Calls inside other recorded calls; not in the sums below", "1")]
    failed: Annotated[Natural, meta("Outermost calls that raised any exception; not in the times below", "1")]
    unchanged: Annotated[Natural, meta("Calls whose system_changes were empty", "1")]
    wall_ns: Annotated[Natural, meta("Sum of the durations", "ns")]
    gap_ns: Annotated[Whole, meta("Sum of the gaps before the calls", "ns")]
    min_ns: Annotated[Natural, meta("Shortest call", "ns")]
    max_ns: Annotated[Natural, meta("Longest call", "ns")]
    squares_ns2: Annotated[Squares, meta("Sum of the squared durations", "ns^2")]
    atom_calls: Annotated[Natural, meta("Sum of n_atoms over the calls where it is known", "1")]
    histogram: Annotated[
        list[tuple[Bucket, Natural]],
        meta(
            "Pairs (bucket, calls). Bucket b contains durations d in ns with"
            " b = d for d < 64, else b = 32*(k-6) + (d >> (k-6)), k = bit length of d"
        ),
    ]
    phase: Annotated[Natural, meta("Driver that requested the calls")] | UnsetType | None = UNSET
    first_step: Annotated[Whole, meta("Smallest step of a call", "1")] | UnsetType = UNSET
    last_step: Annotated[Whole, meta("Largest step of a call", "1")] | UnsetType = UNSET
    components: Annotated[dict[str, Natural], meta("Sums of exclusive host times", "ns")] | UnsetType = UNSET
    observers_ns: Annotated[Natural, meta("Time in the attached driver's observers", "ns")] | UnsetType = (
        UNSET
    )
    not_implemented: Annotated[
        Natural, meta("Calls among `failed` that raised PropertyNotImplementedError, an answer", "1")
    ] = 0
    passed: (
        Annotated[
            Natural,
            meta(
                "Calls of the run, in the order of recording, up to the end of the slice; see `last_calls`",
                "1",
            ),
        ]
        | UnsetType
    ) = UNSET


class LastCalls(Struct, tag="last_calls", tag_field="event"):
    """Header of a black box segment: a file next to a thinned journal with the newest calls in full."""

    run_id: Annotated[str, meta("Run that the calls belong to")]
    passed: Annotated[
        Natural, meta("Calls of the run, in the order of recording, before the one that follows", "1")
    ]


class OpenCall(Struct, tag="open_call", tag_field="event", gc=False):
    """A call that has not ended yet: written after 1 s, 2 s, 4 s, ..., then every 30 s."""

    index: Annotated[Natural, meta("The call")]
    time_ns: Annotated[Natural, meta("When", "ns")]
    open_ns: Annotated[Natural, meta("Time since its start", "ns")]
    thread: Annotated[str, meta("Name of its thread")] | UnsetType = UNSET


def black_box_path(journal: Path) -> Path:
    """Return the first name used by the files of a journal's black box: `run.jsonl.last`."""
    return journal.with_name(f"{journal.name}.last")
