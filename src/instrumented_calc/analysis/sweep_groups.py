"""Cells of a sweep that differ only in their replicate, in numbers, with what ran beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Figures = Mapping[str, Any]

US_PER_MS = 1e3
# What defines a cell, except for its replicate.
DEFINITION = (
    *("calc", "system", "n_atoms", "steps", "threads", "temperature_k", "seed"),
    *("ensemble", "equilibration"),
)


@dataclass(frozen=True, slots=True)
class CellGroup:
    """The replicates of one cell; what none of them has measured is None.

    Attributes:
        calc: The calculator's spec.
        system: The system's name.
        n_atoms: Number of atoms.
        threads: Threads per library.
        steps: Steps of dynamics.
        temperature_k: Temperature of the velocities, K.
        seed: Seed of the system and its velocities.
        runs: Number of replicates.
        median_ms: Geometric mean of the medians of the calls' times, ms.
        scatter: Standard deviation of the logarithms of those medians: 0.03 is 3 %; None with one replicate.
        us_per_atom: That mean per atom, us.
        steps_per_s: Mean number of steps per second.
        peak_mb: Largest peak of the memory, MB.
        hosts: The machines, in alphabetical order.
        beside: Largest number of other cells that ran at the same time on the same machine.
        processor_wait: Largest share of the time that a run waited for a processor.
        broken: Number of replicates whose simulation is broken; their times are among the others.
    """

    calc: str
    system: str
    n_atoms: int
    threads: int
    steps: int
    temperature_k: float
    seed: int
    runs: int
    median_ms: float | None
    scatter: float | None
    us_per_atom: float | None
    steps_per_s: float | None
    peak_mb: float | None
    hosts: tuple[str, ...]
    beside: int
    processor_wait: float | None
    broken: int

    @property
    def on_one_host(self) -> bool:
        """Whether all of several replicates ran on one machine."""
        return self.runs > 1 and len(self.hosts) == 1


def group_cells(cells: Sequence[Figures]) -> list[CellGroup]:
    """Return the groups of cells that differ only in their replicate, in order of their first cells.

    Args:
        cells: Figures of the cells, as their files hold them.
    """
    others = side_by_side(cells)
    groups: dict[tuple[Any, ...], list[Figures]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell.get(name) for name in DEFINITION), []).append(cell)
    return [_group(group, others) for group in groups.values()]


def _group(cells: Sequence[Figures], others: Mapping[str, int]) -> CellGroup:
    first = cells[0]
    logs = [math.log(each) for each in _measured(cells, "median_ms")]
    speeds = _measured(cells, "steps_per_s")
    median_ms = math.exp(mean(logs)) if logs else None
    return CellGroup(
        calc=str(first["calc"]),
        system=str(first["system"]),
        n_atoms=int(first["n_atoms"]),
        threads=int(first["threads"]),
        steps=int(first["steps"]),
        temperature_k=float(first["temperature_k"]),
        seed=int(first["seed"]),
        runs=len(cells),
        median_ms=median_ms,
        scatter=stdev(logs) if len(logs) > 1 else None,
        us_per_atom=None if median_ms is None else median_ms * US_PER_MS / int(first["n_atoms"]),
        steps_per_s=mean(speeds) if speeds else None,
        peak_mb=max(_measured(cells, "peak_mb"), default=None),
        hosts=tuple(sorted({str(each["host"]) for each in cells if each.get("host")})),
        beside=max(others[str(each["key"])] for each in cells),
        processor_wait=max(_measured(cells, "processor_wait"), default=None),
        broken=sum(bool(each["broken"]) for each in cells),
    )


def _measured(cells: Iterable[Figures], name: str) -> list[float]:
    return [float(each[name]) for each in cells if isinstance(each.get(name), (int, float))]


def side_by_side(cells: Sequence[Figures]) -> dict[str, int]:
    """Return for each key the largest number of other cells that ran at the same time on its machine.

    Args:
        cells: Figures of the cells; times are UTC, ISO 8601, which sort as text.
    """
    hosts: dict[str, list[Figures]] = {}
    for cell in cells:
        hosts.setdefault(str(cell.get("host", "")), []).append(cell)
    found = {str(cell["key"]): 0 for cell in cells}
    for host, on_it in hosts.items():
        if not host:
            continue
        running: list[Figures] = []
        for cell in sorted(on_it, key=lambda each: str(each.get("started", ""))):
            began = str(cell.get("started", ""))
            running = [each for each in running if str(each.get("ended", "")) > began]
            running.append(cell)
            for each in running:
                key = str(each["key"])
                found[key] = max(found[key], len(running) - 1)
    return found
