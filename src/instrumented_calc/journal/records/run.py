"""Records of a run: start and end, calculators and drivers, notices and findings."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from instrumented_calc.journal.records.environment import Environment
from instrumented_calc.journal.records.values import Natural, Physical, Whole, meta


class RunStart(Struct, tag="run_start", tag_field="event"):
    """Line 1 of every journal."""

    schema: Annotated[str, meta("Name and major version of the format")]
    run_id: Annotated[str, meta("Unique id of the run")]
    started: Annotated[str, meta("UTC time at which the run's clock was zero, ISO 8601")]
    pid: Annotated[Natural, meta("Process id")]
    version: Annotated[str, meta("Version of instrumented-calc")]
    before_ns: (
        Annotated[Natural, meta("Time from the start of the program to that of its first run", "ns")]
        | UnsetType
    ) = UNSET
    command: Annotated[list[str], meta("Command line of the process")] | UnsetType = UNSET
    directory: Annotated[str, meta("Working directory at the first call")] | UnsetType = UNSET
    settings: Annotated[dict[str, Any], meta("Settings of the recorder")] | UnsetType = UNSET
    parent_run_id: Annotated[str, meta("Run of the process that forked or pickled this one")] | UnsetType = (
        UNSET
    )
    rank: Annotated[Whole, meta("MPI rank")] | UnsetType = UNSET
    series: (
        Annotated[str, meta("Links the parts of a requeued job: job id or INSTRUMENTED_CALC_SERIES")]
        | UnsetType
    ) = UNSET
    continues: (
        Annotated[bool, meta("The journal file vanished during the run; this file continues it")] | UnsetType
    ) = UNSET
    environment: Annotated[Environment, meta("The machine and its software")] = msgspec.field(
        default_factory=Environment
    )


class Lane(Struct, tag="lane", tag_field="event"):
    """One wrapped calculator, written at its first call."""

    lane: Annotated[Natural, meta("Number of the lane")]
    calculator: Annotated[str, meta("Class of the calculator, with its module")]
    seen_by: Annotated[
        str,
        meta(
            "How calls are recorded: `twin` (every calculate), `instance` (calculate patched on the"
            " instance) or `get_property` (only outside requests; includes cache hits)"
        ),
    ]
    cache_hits_known: (
        Annotated[
            bool,
            meta(
                "For `get_property` lanes: whether answers from the calculator's cache are distinguished from"
                " calculations; if not, they are counted as calls, and the number is an upper limit"
            ),
        ]
        | UnsetType
    ) = UNSET
    requests_seen: (
        Annotated[
            bool,
            meta(
                "False if requests, and answers from a cache, are not seen at all: the calculator has no"
                " `get_property`, as those of ASE 4, whose cache is outside the calculator"
            ),
        ]
        | UnsetType
    ) = UNSET
    n_atoms: Annotated[Natural, meta("Atoms at the first call", "1")] | UnsetType = UNSET
    formula: Annotated[str, meta("Chemical formula at the first call")] | UnsetType = UNSET
    program: (
        Annotated[str, meta("File name of the external program that calculates, from its command")]
        | UnsetType
    ) = UNSET
    model: (
        Annotated[
            dict[str, Any],
            meta("What the calculator is: name, library, model, settings, weights; integrations add more"),
        ]
        | UnsetType
    ) = UNSET
    groups: (
        Annotated[
            dict[str, str],
            meta("Timed components of the calculator and the group each belongs to, if any"),
        ]
        | UnsetType
    ) = UNSET
    parts_absent: Annotated[list[str], meta("Why parts of the calculator are not timed")] | UnsetType = UNSET


class ComputedSystem(Struct, tag="system", tag_field="event"):
    """A composition of atoms, written at its first call."""

    system: Annotated[Natural, meta("Number of the composition")]
    formula: Annotated[str, meta("Chemical formula; `*other*`: all beyond the limit of 200")]


class Phase(Struct, tag="phase", tag_field="event"):
    """A driver (integrator or optimizer) started to request forces."""

    phase: Annotated[Natural, meta("Number of the phase")]
    driver: Annotated[str, meta("Class of the driver")]
    kind: Annotated[str, meta("`md`, `optimizer` or `dynamics`")]
    index: Annotated[Natural, meta("First call known to belong to the phase", "1")]
    ensemble: Annotated[str, meta("NVE, NVT, NPT or NPH")] | UnsetType = UNSET
    timestep_fs: Annotated[Physical, meta("MD time step", "fs")] | UnsetType = UNSET
    thermostat_fs: Annotated[Physical, meta("Relaxation time of the thermostat", "fs")] | UnsetType = UNSET
    calculator: (
        Annotated[
            str,
            meta("Class of the calculator that the driver asks, if it is not itself a recorded one"),
        ]
        | UnsetType
    ) = UNSET
    until_step: (
        Annotated[
            Whole,
            meta(
                "Steps after which the driver's run ends, as it was started; of an optimizer: at the latest",
                "1",
            ),
        ]
        | UnsetType
    ) = UNSET


class Finding(Struct, tag="finding", tag_field="event"):
    """A finding that was reported during the run."""

    rule: Annotated[str, meta("Stable kebab-case id of the rule")]
    text: Annotated[str, meta("The finding in plain text")]
    time_ns: Annotated[Natural, meta("When", "ns")]
    numbers: Annotated[dict[str, Any], meta("Figures of the finding")]


class Notice(Struct, tag="notice", tag_field="event"):
    """Something that happened to the recording, or a user's own mark."""

    kind: Annotated[str, meta("Stable kebab-case name of the notice")]
    text: Annotated[str, meta("The notice in plain text")]
    time_ns: Annotated[Natural, meta("When", "ns")] | UnsetType = UNSET
    run_id: Annotated[str, meta("Run of the notice")] | UnsetType = UNSET
    level: Annotated[str, meta("`info` or `warning`")] | UnsetType = UNSET
    details: Annotated[dict[str, Any], meta("Figures of the notice")] | UnsetType = UNSET


class Counters(Struct):
    """Events that are counted but have no rows; totals since the start of the run."""

    calls: Annotated[Natural, meta("Real calculations that ended, nested and failed ones too", "1")] = 0
    nested: Annotated[Natural, meta("Calls inside other recorded calls", "1")] = 0
    failed: Annotated[Natural, meta("Calls that raised, other than PropertyNotImplementedError", "1")] = 0
    get_property: Annotated[Natural, meta("get_property() calls from outside a calculation", "1")] = 0
    cache_hits: Annotated[Natural, meta("get_property() calls answered without a calculation", "1")] = 0
    not_implemented: Annotated[Natural, meta("PropertyNotImplementedError answers", "1")] = 0
    lost_rows: Annotated[Natural, meta("Rows that could not be written", "1")] = 0
    faults: Annotated[Natural, meta("Faults of the recorder itself", "1")] = 0
    self_ns: Annotated[Natural, meta("The recorder's own time", "ns")] = 0
    unchecked: (
        Annotated[Natural, meta("Calls whose forces were not checked: not on the host, or too fast", "1")]
        | UnsetType
    ) = UNSET
    not_finite: (
        Annotated[Natural, meta("Calls with NaN or infinity in energy, forces or positions", "1")] | UnsetType
    ) = UNSET
    zero_forces: Annotated[Natural, meta("Calls in which all forces were exactly 0", "1")] | UnsetType = UNSET
    same_energy: (
        Annotated[
            Natural, meta("Calls with exactly the energy of the previous one, though atoms had moved", "1")
        ]
        | UnsetType
    ) = UNSET
    velocity_changes: (
        Annotated[
            Natural,
            meta("Steps of velocity Verlet in which something else changed the first atom's momentum", "1"),
        ]
        | UnsetType
    ) = UNSET
    fingerprints: (
        Annotated[Natural, meta("Calls whose geometry was compared with other calls', see `repeats`", "1")]
        | UnsetType
    ) = UNSET
    forks: Annotated[Natural, meta("Forks of the process", "1")] | UnsetType = UNSET
    workers: Annotated[Natural, meta("Processes that Python's multiprocessing started", "1")] | UnsetType = (
        UNSET
    )


class Tally(Struct, tag="counters", tag_field="event"):
    """The counters during the run, every few seconds, so that a truncated journal has them too."""

    time_ns: Annotated[Natural, meta("When", "ns")]
    counters: Annotated[Counters, meta("Totals since the start of the run")]


class RunEnd(Struct, tag="run_end", tag_field="event"):
    """The last record of a run that ended normally."""

    reason: Annotated[
        str, meta("`closed`, `collected` (no calculator left) or `exit`; 0.1.0 also wrote `SIGTERM`")
    ]
    time_ns: Annotated[Natural, meta("End of the run", "ns")]
    ended: Annotated[str, meta("UTC time, ISO 8601")]
    counters: Annotated[Counters, meta("Totals of the run")]
    run_id: Annotated[str, meta("Run that ends")] | UnsetType = UNSET
    observers_ns: Annotated[Natural, meta("Time in observers after the last row", "ns")] | UnsetType = UNSET
    failure: (
        Annotated[str, meta("Class of the exception that ended the program or the `with` block")] | UnsetType
    ) = UNSET
    failure_message: Annotated[str, meta("Its message, shortened")] | UnsetType = UNSET
    peak_rss_bytes: Annotated[Natural, meta("Peak resident memory of the process", "byte")] | UnsetType = (
        UNSET
    )
    debugging_aids: (
        Annotated[dict[str, str], meta("Debugging aids that are on at the end, each with its setting")]
        | UnsetType
    ) = UNSET
