"""Rules on contractions as a whole: their share of a run, and storms of tiny ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.contractions.gemms import measure_gemms
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.einsum_rewriting import batched
from instrumented_calc.journal.operand_text import dtype_of, shape_of
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.contractions.contractions import ContractionUse, Signature
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of the wall time. Uncalibrated; AniSOAP's published profile has 75 %.
DOMINATING = 0.25
LISTED = 5
# A share within this many standard errors of a limit is not judged above or below it.
STANDARD_ERRORS = 2.0
# Contractions of one kind per call of the calculator: from `MANY` on worth knowing, from `STORM` on a cost.
# Uncalibrated; AniSOAP makes thousands.
MANY, STORM = 100, 300
# A contraction is small up to so many multiply-accumulates, where a batch gains a third; one of unknown size,
# up to this mean time. AniSOAP: 32 us in published figures.
SMALL_MACS, TINY_NS = 21_504, 20_000.0
# Speedup of one batch of 64 over 64 single contractions, by multiply-accumulates, each in its fastest form.
# Measured with numpy 2.4 on one thread of one machine.
BATCHED_MACS = (256, 4_320, 21_504, 134_784)
BATCHED_GAIN = (17.5, 5.2, 1.3, 1.0)
# The library's own Python code around each einsum, which is not in its time, as a share of the time of the
# smallest contractions: both are longer on a slow machine. Measured on one: 1.08 to 1.41 us with numpy 2.4,
# 2.6 to 12.0 us with torch 2.15 (thread CPU time, the best of 150 rounds).
AROUND = {"numpy": 0.77, "torch": 0.22}
UNMEASURED = (
    "`instrumented-calc report --measure` on the machine of the run shows whether other code is faster."
)
NONE_RECORDED = "no contractions were recorded"


def none_recorded(evidence: Evidence) -> Observation:
    """Return the verdict on a run without a record of contractions: a complete run would have one.

    Args:
        evidence: The evidence of the run.
    """
    if evidence.summary.journal.end is not None and not evidence.uses_jax:
        return clear("no call used numpy.einsum or torch.einsum", evidence.all_calls)
    return unknown(NONE_RECORDED)


def contraction_dominated(evidence: Evidence) -> Observation:
    """Contractions take a large part of a step: good to know, and no fault."""
    summary = evidence.summary
    if summary.evaluations.calls < FEWEST_FOR_MEDIAN or not summary.wall_ns:
        return too_few(FEWEST_FOR_MEDIAN, "calls", summary.evaluations.calls)
    rows = summary.contractions.rows if summary.contractions else ()
    timed = timed_rows(evidence)
    if not timed:
        missing = "the time of the contractions is unknown: they run on a device or in a compiled program"
        return _products(evidence) or (unknown(missing) if rows else none_recorded(evidence))
    total = sum(ns for _, ns in timed)
    error = STANDARD_ERRORS * math.hypot(*(row.error_ns for row, _ in timed)) / summary.wall_ns
    share = total / summary.wall_ns
    numbers = {
        "share_of_wall": share,
        "share_of_calculator": summary.contractions.share if summary.contractions else None,
        "calls": sum(row.calls for row, _ in timed),
        "seconds": total / 1e9,
        "most": _most([(row.equation, ns / summary.wall_ns) for row, ns in timed]),
    }
    text = f"contractions take {percentage(share)} of the wall time"
    if abs(share - DOMINATING) < error:
        missing = f"{text}, to within {percentage(error)}: too few were timed"
        return unknown(missing, Need("calls", "timed contractions of each kind", 1000), numbers=numbers)
    if share >= DOMINATING:
        remedy = None if summary.journal.product_times else UNMEASURED
        headline = f"{text}: {numbers['most']}"
        return flagged(headline, numbers=numbers, n=len(evidence.calls), saving_ns=total, remedy=remedy)
    if len(timed) < len(rows):
        return unknown(f"{text}; contractions of unknown time are not included", numbers=numbers)
    return clear(text, evidence.all_calls, numbers, len(evidence.calls))


def _products(evidence: Evidence) -> Observation | None:
    """Report the matrix products in trace windows, the model's own work; return None without any."""
    use = evidence.traces
    known = [(each, each.share) for each in measure_gemms(use) if each.share is not None]
    if use is None or not known:
        return None
    share = min(sum(part for _, part in known), 1.0)
    where = "device" if all(each.device_ns is not None for each, _ in known) else "host"
    numbers = {
        "share_of_traced_calls": share,
        "time_on": where,
        "traced_calls": use.calls,
        "most": _most([(f"{each.operation} {each.shapes}", part) for each, part in known]),
    }
    text = f"matrix products, the model's own work, take {percentage(share)} of {use.calls} traced calls"
    return clear(f"{text}, on the {where}", f"{use.calls:,} traced calls", numbers, use.calls)


def _most(shares: Sequence[tuple[str, float]]) -> str:
    """Name the largest contractions: mnpqr,pqr->mn 61 %, ij,jk->ik 5 %."""
    sums: dict[str, float] = {}
    for name, share in shares:
        sums[name] = sums.get(name, 0.0) + share
    longest = sorted(sums.items(), key=lambda item: -item[1])[:LISTED]
    return ", ".join(f"{name} {percentage(share)}" for name, share in longest)


def tiny_contraction_storm(evidence: Evidence) -> Observation:
    """A calculation makes the same small contraction very many times, one by one."""
    found, calls = evidence.summary.contractions, evidence.summary.evaluations.calls
    if found is None:
        return none_recorded(evidence)
    if calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls", calls)
    # Contractions in a JAX program are part of one compiled program and have no launch cost of their own.
    each_alone = [row for row in found.rows if row.library != "jax"]
    many = [row for row in each_alone if row.calls >= MANY * calls]
    if not many:
        most = max((row.calls for row in each_alone), default=0) / calls
        text = f"each contraction is made at most {most:,.1f} times per call"
        return clear(text, evidence.all_calls, {"most_per_call": most}, calls)
    timed = [row for row in many if row.ns is not None and not on_device(row)]
    small = [row for row in timed if _is_small(row)]
    if small:
        return _storm(evidence, small)
    number = sum(row.calls for row in many) / calls
    if len(timed) < len(many):
        return unknown(f"{number:,.0f} contractions per call, but their time is unknown")
    text = f"{number:,.0f} contractions per call, but none is small"
    return clear(text, evidence.all_calls, {"per_call": number}, calls)


def _storm(evidence: Evidence, small: Sequence[ContractionUse]) -> Observation:
    """Flag small contractions that a batch would replace, the longest of them by name."""
    calls = evidence.summary.evaluations.calls
    number = sum(row.calls for row in small)
    spent = sum(row.ns or 0.0 for row in small)
    saved = [(row, sum(_batching_saves(each) for each in row.signatures)) for row in small]
    saving = sum(ns for _, ns in saved)
    around = sum(AROUND[row.library] * ns for row, ns in saved)
    longest = max(small, key=lambda row: row.ns or 0.0)
    operands = ", ".join(longest.signatures[0].operands) if longest.signatures else ""
    numbers = {
        "per_call": number / calls,
        "mean_us": spent / number / 1e3,
        "seconds": spent / 1e9,
        "equation": longest.equation,
        "operands": operands,
        "estimated_gain_of_batching": spent / (spent - saving),
        "arrays_of_a_call_mb": sum(_bytes(each) for row in small for each in row.signatures) / calls / 1e6,
    }
    text = f"each call of the calculator makes {longest.calls / calls:,.0f} contractions {longest.equation}"
    text += f" ({operands}) one by one" if operands else " one by one"
    text += f", of {figures((longest.ns or 0.0) / longest.calls / 1e3)} us on average"
    text += f"; one batch may save an estimated {percentage(saving / spent)} of their time"
    advice = _batching_advice(longest)
    if number < STORM * calls:
        return flagged(text, numbers=numbers, n=calls, remedy=advice, severity="info")
    return flagged(text, numbers=numbers, n=calls, saving_ns=saving + around, remedy=advice)


def _is_small(row: ContractionUse) -> bool:
    """Return whether a contraction is so small that many of them are best made at once."""
    if row.macs is not None:
        return row.macs <= SMALL_MACS * sum(each.calls for each in row.signatures)
    return (row.ns or 0.0) < TINY_NS * row.calls


def _batching_advice(row: ContractionUse) -> str | None:
    """Return the remedy with the equation of all contractions at once; None if that is not known."""
    if not row.signatures:
        return None
    shapes = [shape_of(operand) for operand in row.signatures[0].operands]
    known = [shape for shape in shapes if shape is not None]
    many = batched(row.equation, known) if len(known) == len(shapes) else None
    if many is None:
        return None
    line = row.signatures[0].line
    name = f"{row.equation} at {line}" if line else row.equation
    text = f"Batch over neighbours or pairs: {name} as {many}, the operands that differ stacked along"
    return f"{text} {many.partition('->')[2][0]}; first check that the arrays of a call fit into memory."


def batching_gain(macs: float) -> float:
    """Return the estimated speedup of contractions of that size in batches of 64."""
    logs = np.interp(math.log(max(macs, 1)), np.log(BATCHED_MACS), np.log(BATCHED_GAIN))
    return math.exp(float(logs))


def _batching_saves(signature: Signature) -> float:
    if signature.arithmetic is None or not signature.ns:
        return 0.0
    return signature.ns * (1 - 1 / batching_gain(signature.arithmetic.macs))


def _bytes(signature: Signature) -> float:
    """Return the total size of operands and results, which would exist at the same time."""
    size = 0.0
    for operand in signature.operands:
        elements = math.prod(shape_of(operand) or (0,))
        size += elements * item_bytes(operand)
    if signature.arithmetic is not None and signature.operands:
        size += signature.arithmetic.largest_intermediate * item_bytes(signature.operands[0])
    return size * signature.calls


def item_bytes(operand: str) -> int:
    """Return the size of one element of `dtype[shape]`, or 8 if numpy does not know the dtype."""
    try:
        return np.dtype(dtype_of(operand)).itemsize
    except TypeError:
        return 8


def timed_rows(evidence: Evidence) -> list[tuple[ContractionUse, float]]:
    """Return the contractions with known times, and the times: only host work is timed completely."""
    found = evidence.summary.contractions
    return [(row, row.ns) for row in found.rows if row.ns is not None and not on_device(row)] if found else []


def on_device(row: ContractionUse) -> bool:
    """Return whether some operands are on a device, so that host times measure only the launch."""
    return any("@" in operand for each in row.signatures for operand in each.operands)


RULES = (
    Rule(
        "contraction-dominated",
        "info",
        "Nothing is known to be wrong with them: only other or fewer contractions make the run faster.",
        "In the report's table of contractions, 'at most' is the largest speedup from removing one.",
        contraction_dominated,
    ),
    Rule(
        "tiny-contraction-storm",
        "cost",
        "Batch over neighbours or pairs; first check that the arrays of a call fit into memory.",
        "Time one batched contraction against the same number of small ones; results agree to rounding.",
        tiny_contraction_storm,
        trial="batched-contractions",
        saving_kind="about",
    ),
)
