"""Rules on JAX: neighbour list overflows and recompilation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Two overflows in 100 steps: each makes two calls of seconds instead of milliseconds. Measured: 18 in 40
# steps of a compressed box, 90 s of compilation; 1 in 200 steps around a fixed geometry.
OVERFLOWS_PER_CALL, FEWEST_OVERFLOWS = 0.02, 2
OVERFLOWS = "overflows"


def overflow_storm(evidence: Evidence) -> Observation:
    """Neighbour lists overflow repeatedly, and each overflow recompiles programs."""
    calls = evidence.calls
    column = calls.counts.get(OVERFLOWS)
    if column is None or not bool((column >= 0).any()):
        if evidence.models and not evidence.uses_jax:
            return clear("no JAX model", evidence.all_calls)
        if evidence.without_jax:
            return clear("JAX is not loaded", "libraries loaded at the start")
        return unknown("overflows are not counted", Need("integration", "overflows of neighbour lists"))
    rows = np.flatnonzero((column >= 0) & ~calls.nested)
    if len(rows) < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls", len(rows))
    # Compilation in the first two calls is start-up.
    late = rows[2:]
    overflows = int(column[late].sum(dtype=np.int64))
    latency = evidence.summary.latency
    slow = late[calls.compiling[late]]
    usual = latency.median_ns if latency is not None else 0.0
    lost = max(float(calls.wall_ns[slow].sum(dtype=np.int64)) - usual * len(slow), 0.0)
    numbers = {
        "overflows": overflows,
        "per_100_calls": 100 * overflows / len(late),
        "compiling_calls": len(slow),
        "seconds": lost / 1e9,
    }
    text = f"{overflows} overflows of neighbour lists in {len(late):,} calls"
    text += f", {figures(lost / 1e9)} s of compiling"
    if overflows < FEWEST_OVERFLOWS or overflows < OVERFLOWS_PER_CALL * len(late):
        return clear(text, evidence.part_of_calls(len(late)), numbers, len(late))
    return flagged(text, numbers=numbers, n=len(late), saving_ns=lost)


RULES = (
    Rule(
        "overflow-storm",
        "cost",
        'Raise the capacity: FENNIX.load(path, graph_config={"mult_size": 1.5}).',
        "In the report, overflows are 0 after the first calls.",
        overflow_storm,
        trial="larger-capacity",
        saving_kind="about",
    ),
)
