"""Counts of an integration: edges, overflows, pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.journal.columns import Calls


@dataclass(frozen=True, slots=True)
class Count:
    """One count over the calls that have it.

    Attributes:
        name: Name of the count.
        calls: Number of calls that have the count, nested ones included.
        total: Sum over these calls: meaningful for events, such as overflows.
        mean: Mean per call: meaningful for sizes, such as edges.
        min: Smallest value of a call.
        max: Largest value of a call.
    """

    name: str
    calls: int
    total: int
    mean: float
    min: int
    max: int


def measure_counts(calls: Calls) -> list[Count]:
    """Return all counts by name."""
    known = ((name, column[column >= 0]) for name, column in sorted(calls.counts.items()))
    return [
        Count(
            name=name,
            calls=len(values),
            total=(total := int(values.sum(dtype=np.int64))),
            mean=total / len(values),
            min=int(values.min()),
            max=int(values.max()),
        )
        for name, values in known
        if len(values)
    ]
