"""Quantities over the course of a run in a bounded number of points: state of the simulation, memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from instrumented_calc.analysis.course.axis import Axis
    from instrumented_calc.journal.reader import Journal

# Fields of the state that are plotted, with their names and units.
STATE_FIELDS = {
    "temperature_k": ("temperature", "K"),
    "target_k": ("target temperature", "K"),
    "potential_ev": ("potential energy", "eV"),
    "kinetic_ev": ("kinetic energy", "eV"),
    "conserved_ev": ("conserved energy", "eV"),
    "volume_a3": ("volume", "A^3"),
    "pressure_gpa": ("pressure", "GPa"),
    "largest_force_ev_a": ("largest force", "eV/A"),
    "shortest_distance_a": ("shortest distance", "A"),
}
MEMORY_FIELDS = {
    "rss_bytes": "resident memory",
    "device_allocated_bytes": "device memory, allocated",
    "device_reserved_bytes": "device memory, reserved",
}
LARGEST = 1e100  # beyond it a value is unphysical, and its arithmetic overflows


@dataclass(frozen=True, slots=True)
class BinnedSeries:
    """One quantity over the course of a run.

    Attributes:
        field: Its name in the journal.
        name: Its name.
        unit: Its unit.
        at: Positions on the run's axis, ascending.
        low: Smallest value around each.
        middle: Median there.
        high: Largest value there.
        samples: Number of values in all.
    """

    field: str
    name: str
    unit: str
    at: tuple[int, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]
    samples: int


def state_series(journal: Journal, axis: Axis) -> list[BinnedSeries]:
    """Return what was read of the simulation's state, those quantities that were."""
    places = [_place(journal, axis, each.index, each.step) for each in journal.states]
    found = []
    for field, (name, unit) in STATE_FIELDS.items():
        pairs = [
            (place, float(value))
            for place, each in zip(places, journal.states, strict=True)
            if place is not None
            and isinstance(value := getattr(each, field), (int, float))
            and math.isfinite(value)
            and abs(value) < LARGEST
        ]
        if pairs:
            at, values = zip(*pairs, strict=True)
            found.append(binned(axis, field, name, unit, np.array(at), np.array(values)))
    return found


def memory_series(journal: Journal, axis: Axis) -> list[BinnedSeries]:
    """Return the memory of the process and its device, as far as it was sampled, in bytes."""
    found = []
    for field, name in MEMORY_FIELDS.items():
        sparse = journal.calls.sparse.get(field)
        if sparse is not None and len(sparse):
            at = axis.positions[sparse.rows]
            found.append(binned(axis, field, name, "byte", at, np.asarray(sparse.values, np.float64)))
    used = [
        (axis.at_time(each.time_ns), float(each.cgroup_memory_bytes))
        for each in journal.machines
        if isinstance(each.cgroup_memory_bytes, int)
    ]
    if used:
        at, values = map(np.array, zip(*used, strict=True))
        found.append(binned(axis, "cgroup_memory_bytes", "memory of the job", "byte", at, values))
    return found


def memory_limit(journal: Journal) -> int | None:
    """Return the limit of the host memory in bytes: that of the job, otherwise of the machine."""
    limits = [
        each.cgroup_memory_limit_bytes
        for each in journal.machines
        if isinstance(each.cgroup_memory_limit_bytes, int)
    ]
    if limits:
        return limits[-1]
    environment = journal.environment
    known = (environment.cgroup_memory_bytes, environment.memory_bytes)
    return next((each for each in known if isinstance(each, int) and each > 0), None)


def binned(  # noqa: PLR0913, PLR0917 - a quantity and its values
    axis: Axis, field: str, name: str, unit: str, at: NDArray[np.int64], values: NDArray[np.float64]
) -> BinnedSeries:
    """Return values as a series of at most one point a bin.

    Args:
        axis: The run's axis.
        field: Name of the quantity in the journal.
        name: Its name.
        unit: Its unit.
        at: Positions of the values.
        values: The values.
    """
    order = np.argsort(at, kind="stable")
    at, values = at[order], values[order]
    numbers = axis.bin_of(at)
    _, begins = np.unique(numbers, return_index=True)
    groups = np.split(values, begins[1:])
    return BinnedSeries(
        field=field,
        name=name,
        unit=unit,
        at=_ints(at[begins]),
        low=tuple(float(each.min()) for each in groups),
        middle=tuple(float(np.sort(each)[len(each) // 2]) for each in groups),
        high=tuple(float(each.max()) for each in groups),
        samples=len(values),
    )


def _place(journal: Journal, axis: Axis, index: int, step: object) -> int | None:
    place = axis.of_call(journal.calls, index)
    if place is None and axis.name == "step" and isinstance(step, int):
        return step  # the row was thinned
    return place


def _ints(values: Sequence[int] | NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(each) for each in values)
