"""Periodic readings: the state of the simulation and of the machine."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from instrumented_calc.journal.records.values import Natural, Physical, Whole, meta


class State(Struct, tag="state", tag_field="event"):
    """State of the simulation at the end of a call, periodically; absent values were not measured."""

    index: Annotated[Natural, meta("The call")]
    step: Annotated[Whole, meta("Steps completed by the driver when the state was read", "1")] | UnsetType = (
        UNSET
    )
    potential_ev: Annotated[Physical, meta("Potential energy", "eV")] | UnsetType = UNSET
    kinetic_ev: (
        Annotated[
            Physical,
            meta("Kinetic energy: of the whole step, if the driver is known", "eV"),
        ]
        | UnsetType
    ) = UNSET
    conserved_ev: (
        Annotated[
            Physical, meta("Conserved quantity of the ensemble; NVE: potential plus kinetic energy", "eV")
        ]
        | UnsetType
    ) = UNSET
    volume_a3: Annotated[Physical, meta("Volume of the periodic cell", "A^3")] | UnsetType = UNSET
    farthest_cells: (
        Annotated[Physical, meta("Largest distance from the cell centre along an axis, plus 1/2", "cells")]
        | UnsetType
    ) = UNSET
    temperature_k: Annotated[Physical, meta("Temperature of the atoms, from kinetic_ev", "K")] | UnsetType = (
        UNSET
    )
    target_k: Annotated[Physical, meta("Temperature that the driver aims at", "K")] | UnsetType = UNSET
    centre_kinetic_ev: Annotated[Physical, meta("Kinetic energy of the centre of mass", "eV")] | UnsetType = (
        UNSET
    )
    pressure_gpa: (
        Annotated[Physical, meta("Pressure, including that of the ideal gas", "GPa")] | UnsetType
    ) = UNSET
    target_gpa: Annotated[Physical, meta("Pressure that the driver aims at", "GPa")] | UnsetType = UNSET
    force_norm_ev_a: (
        Annotated[Physical, meta("Root of the sum of the squared forces", "eV/A")] | UnsetType
    ) = UNSET
    force_weighted_ev_a: (
        Annotated[
            Physical,
            meta(
                "Sum of all force components, each times the sine of its place (x, y, z of the first atom: 1,"
                " 2, 3): tells whether two runs have the same forces",
                "eV/A",
            ),
        ]
        | UnsetType
    ) = UNSET
    largest_force_ev_a: Annotated[Physical, meta("Largest force on an atom", "eV/A")] | UnsetType = UNSET
    largest_force_atom: Annotated[Natural, meta("The atom that it acts on, from 0")] | UnsetType = UNSET
    shortest_distance_a: (
        Annotated[Physical, meta("Smallest distance of two atoms, if there are few", "A")] | UnsetType
    ) = UNSET
    extent_a: Annotated[Physical, meta("Largest distance of an atom from the centroid", "A")] | UnsetType = (
        UNSET
    )
    moved_a: (
        Annotated[
            Physical,
            meta("Root of the sum of the squared displacements since the previous state of the lane", "A"),
        ]
        | UnsetType
    ) = UNSET
    net_force_ev_a: Annotated[Physical, meta("Sum of the forces", "eV/A")] | UnsetType = UNSET
    work_ev: (
        Annotated[Physical, meta("Work of the forces since the call before, if it was close", "eV")]
        | UnsetType
    ) = UNSET
    energy_change_ev: (
        Annotated[Physical, meta("Change of the energy over the same displacement", "eV")] | UnsetType
    ) = UNSET
    fixed_atoms: Annotated[Natural, meta("Atoms that constraints hold in place", "1")] | UnsetType = UNSET
    acting_constraints: (
        Annotated[
            list[str],
            meta("Classes of constraints that may push atoms: all but those of ASE that fix something"),
        ]
        | UnsetType
    ) = UNSET
    same_energy: (
        Annotated[
            Natural,
            meta("Successive calls up to this one with exactly one energy, though atoms had moved", "1"),
        ]
        | UnsetType
    ) = UNSET
    zero_forces: (
        Annotated[Natural, meta("Successive calls up to this one whose forces were all exactly 0", "1")]
        | UnsetType
    ) = UNSET
    non_finite: (
        Annotated[list[str], meta("Results, or `positions`, that contain NaN or infinity")] | UnsetType
    ) = UNSET
    non_finite_atoms: (
        Annotated[list[Natural], meta("The first few atoms whose forces or positions are not finite, from 0")]
        | UnsetType
    ) = UNSET
    graph_retained: Annotated[list[str], meta("Results that carry an autograd graph")] | UnsetType = UNSET


class Gpu(Struct, omit_defaults=True):
    """One GPU in use, as reported by its driver."""

    index: Annotated[Natural, meta("Device number in this process")]
    utilization_percent: (
        Annotated[Natural, meta("Share of the last sample period in which a kernel ran", "%")] | UnsetType
    ) = UNSET
    sm_clock_mhz: Annotated[Natural, meta("Clock of its multiprocessors", "MHz")] | UnsetType = UNSET
    used_bytes: Annotated[Natural, meta("Memory in use by all processes", "byte")] | UnsetType = UNSET
    slowed_by: Annotated[list[str], meta("Reasons for a reduced clock")] | UnsetType = UNSET
    other_processes: Annotated[Natural, meta("Other compute processes", "1")] | UnsetType = UNSET


class Machine(Struct, tag="machine", tag_field="event"):
    """State of the machine, every few seconds; absent values were not measured."""

    time_ns: Annotated[Natural, meta("When", "ns")]
    cgroup_periods: (
        Annotated[Natural, meta("Periods of the CPU quota so far", "1", "cumulative")] | UnsetType
    ) = UNSET
    cgroup_throttled: (
        Annotated[Natural, meta("Periods in which the quota was used up", "1", "cumulative")] | UnsetType
    ) = UNSET
    pss_bytes: (
        Annotated[
            Natural,
            meta("Resident memory, shared pages divided by the number of processes that share them", "byte"),
        ]
        | UnsetType
    ) = UNSET
    rss_bytes: Annotated[Natural, meta("Resident memory of the process", "byte")] | UnsetType = UNSET
    peak_rss_bytes: Annotated[Natural, meta("Peak resident memory so far", "byte")] | UnsetType = UNSET
    available_bytes: (
        Annotated[Natural, meta("Memory of the machine that is still available", "byte")] | UnsetType
    ) = UNSET
    cgroup_memory_bytes: (
        Annotated[Natural, meta("Memory in use, without caches, in the cgroup nearest to its limit", "byte")]
        | UnsetType
    ) = UNSET
    cgroup_memory_limit_bytes: Annotated[Natural, meta("Limit of that cgroup", "byte")] | UnsetType = UNSET
    oom_kills: (
        Annotated[Natural, meta("Processes of the cgroups killed because memory ran out", "1", "cumulative")]
        | UnsetType
    ) = UNSET
    open_files: Annotated[Natural, meta("Open file descriptors of the process", "1")] | UnsetType = UNSET
    open_files_limit: Annotated[Natural, meta("Limit on open file descriptors", "1")] | UnsetType = UNSET
    disk_free_bytes: (
        Annotated[Natural, meta("Free space of the journal's file system", "byte")] | UnsetType
    ) = UNSET
    clock_step_ns: (
        Annotated[
            Whole,
            meta("Difference of the wall clock from the run's clock since the start; absent below 1 s", "ns"),
        ]
        | UnsetType
    ) = UNSET
    processor_wait_ns: (
        Annotated[
            Natural,
            meta(
                "Time that the thread of the run's first call was ready but waited for a processor",
                "ns",
                "cumulative",
            ),
        ]
        | UnsetType
    ) = UNSET
    jax_bytes: Annotated[Natural, meta("Device memory in use by JAX", "byte")] | UnsetType = UNSET
    gpus: Annotated[list[Gpu], meta("GPUs in use")] | UnsetType = UNSET
