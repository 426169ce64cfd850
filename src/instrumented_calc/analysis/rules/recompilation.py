"""The rule on compilation long after the start of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.memory.growth import sizes
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.timing.compilation import RECOMPILED_CALLS
from instrumented_calc.quantities import figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, Trial
    from instrumented_calc.journal.columns import Calls, Integers, Mask

# Compilations after the start: so many (RECOMPILED_CALLS), or 2 % of the wall time. Uncalibrated; one
# compilation at every change of the edge count takes 15 % (facebookresearch/fairchem#1892).
RECOMPILED_SHARE = 0.02
# Without counters: a spike of this many medians at a new shape. Uncalibrated.
INFERRED_FACTOR = 5.0


def recompiling(evidence: Evidence) -> Observation:
    """Calls wait for compilation long after the start of the run."""
    calls, latency = evidence.calls, evidence.summary.latency
    wall = evidence.summary.wall_ns
    if latency is None or not wall or latency.calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN)
    if not len(calls.compiled) and not evidence.uses_jax:
        return _inferred_compilation(evidence)
    rows = evidence.successful
    # Call 0 compiles the model, call 1 the check of its neighbour lists: two calls are start-up.
    start = max(2, int(np.searchsorted(rows, evidence.steady[0])) if len(evidence.steady) else 2)
    late = rows[start:][calls.compiling[rows[start:]]]
    resized = are_of_new_size(calls, late)
    late = late[~resized]
    lost = float(calls.wall_ns[late].sum(dtype=np.int64)) - latency.median_ns * len(late)
    numbers = {
        "calls": len(late),
        "seconds": max(lost, 0) / 1e9,
        "share_of_wall": max(lost, 0) / wall,
        "calls_with_a_new_number_of_atoms": int(resized.sum()),
    }
    text = f"{len(late)} calls after the start waited for compilation, {figures(max(lost, 0) / 1e9)} s in all"
    if len(late) < RECOMPILED_CALLS and lost <= RECOMPILED_SHARE * wall:
        return clear(text, evidence.all_calls, numbers, len(rows))
    remedy, trial = _compiler_advice(evidence)
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=lost, remedy=remedy, trial=trial)


def _inferred_compilation(evidence: Evidence) -> Observation:
    """Without counters, infer compilation from spikes at new shapes."""
    calls, rows = evidence.calls, evidence.steady
    environment = evidence.environment
    if not isinstance(environment.torch, dict) and isinstance(environment.python, str):
        nothing = "nothing was compiled: JAX reported no compilation, and torch is not loaded"
        return clear(nothing, evidence.all_calls, {}, len(rows))
    compiled = [model.get("compiled") for model in evidence.models]
    if compiled and all(each is False for each in compiled):
        return clear("the model runs eagerly, nothing is compiled", evidence.all_calls, {}, len(rows))
    median = evidence.usual_ns
    spikes = rows[calls.wall_ns[rows] > INFERRED_FACTOR * median]
    # Finding first calls needs a full sort, so do it only if there are spikes to explain.
    if len(spikes) >= RECOMPILED_CALLS:
        spikes = spikes[np.isin(spikes, _first_of_shape(calls)) & ~are_of_new_size(calls, spikes)]
    if len(spikes) < RECOMPILED_CALLS:
        missing = "no compilation was recorded, and no spikes at new shapes suggest any"
        return unknown(missing, Need("integration", "whether the model is compiled"))
    lost = float(calls.wall_ns[spikes].sum(dtype=np.int64)) - median * len(spikes)
    text = f"inferred: {len(spikes)} calls took over {INFERRED_FACTOR:g} medians, each with a new shape"
    numbers = {"calls": len(spikes), "seconds": lost / 1e9}
    remedy, trial = _compiler_advice(evidence)
    return flagged(text, numbers=numbers, n=len(rows), saving_ns=lost, remedy=remedy, trial=trial)


def _compiler_advice(evidence: Evidence) -> tuple[str, Trial]:
    """Return remedy and trial for the compiler in use."""
    if evidence.uses_jax:
        return "Raise the capacity of the neighbour lists, or pad to a few sizes.", "larger-capacity"
    return (
        "Compile with dynamic=True or mark the edge axis as dynamic; or pad to a few sizes.",
        "dynamic-shapes",
    )


def are_of_new_size(calls: Calls, rows: Integers) -> Mask:
    """Return which of the given calls are the first with their number of atoms."""
    if not len(rows):
        return np.zeros(0, np.bool_)
    found: Mask = np.isin(rows, np.unique(calls.n_atoms, return_index=True)[1])
    return found


def _first_of_shape(calls: Calls) -> Integers:
    """Return the rows of the first calls with each value of any size."""
    firsts = [np.unique(column, return_index=True)[1] for column in sizes(calls).values()]
    return np.unique(np.concatenate(firsts))


RULES = (
    Rule(
        "recompiling",
        "cost",
        "Let the compiler treat the number of edges as dynamic, or pad to a few sizes.",
        "After the change, no calls after the start compile.",
        recompiling,
        saving_kind="about",
    ),
)
