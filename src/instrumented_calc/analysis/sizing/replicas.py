"""How many independent runs a machine holds side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.sizing.memory_need import MemoryNeed
    from instrumented_calc.analysis.sizing.run_cost import RunCost
    from instrumented_calc.journal.records import Environment

# The recorder's thread and the system's work keep up to this much of a further processor busy.
BUSY_BESIDE = 0.1


@dataclass(frozen=True, slots=True)
class Replicas:
    """Runs side by side on the machine that was measured; an upper limit, not a measurement.

    Attributes:
        number: How many have processors and memory of their own.
        processors: Processors of each.
        available: Processors of the machine that a run may use.
        bound_by: What more of them would lack: `processors`, `host memory` or `device memory`.
    """

    number: int
    processors: int
    available: int
    bound_by: str


def processors_of(costs: Sequence[RunCost]) -> int | None:
    """Return the processors that a run of the largest size keeps busy, rounded up; None if not measured."""
    largest = max(each.n_atoms for each in costs)
    busy = [each.processors for each in costs if each.n_atoms == largest and each.processors is not None]
    return max(math.ceil(max(busy) - BUSY_BESIDE), 1) if busy else None


def replicas_of(
    processors: int | None, memory: Sequence[MemoryNeed], environment: Environment
) -> Replicas | None:
    """Return the largest number of replicas; None if their processors or memory are not known.

    Args:
        processors: Processors of each.
        memory: Memory of each.
        environment: The machine.
    """
    limits = [
        each
        for each in (environment.affinity, environment.cgroup_cpus, environment.physical_cores)
        if isinstance(each, (int, float))
    ]
    if processors is None or not limits:
        return None
    available = max(int(min(limits)), 1)
    rooms = [(available // processors, "processors")]
    for each in memory:
        if each.needed_bytes is None or each.limit_bytes is None:
            return None
        rooms.append((int(each.limit_bytes // each.needed_bytes.high), f"{each.kind} memory"))
    number, bound_by = min(rooms)
    return Replicas(number, processors, available, bound_by)
