"""The rule on conversions around contractions.

Copies to and from devices, and waits for them, belong to the rule `transfers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.contractions.conversions import measure_conversions
from instrumented_calc.analysis.rules.contractions import timed_rows
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, too_few, unknown
from instrumented_calc.journal.operand_text import dtype_of
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.contractions.conversions import ConversionUse
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Share of the contractions' time. Uncalibrated; 10 to 12 % in AniSOAP's published figures, which is usual on
# the CPU and not a problem.
CONVERTING = 0.15
NAMED = 3
# Conversions of one kind that each call needs: of positions and cell, or of energy and forces; their size in
# double precision.
NEEDED, BYTES_PER_ATOM, BYTES_OF_CELL = 2, 24, 72
KINDS = ("numpy to torch", "torch to numpy", "cast")


def conversion(evidence: Evidence) -> Observation:
    """Arrays change between libraries or dtypes around or inside contractions."""
    calls = evidence.summary.evaluations.calls
    if calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls", calls)
    mixed = _mixed(evidence)
    if mixed is not None:
        return mixed
    found = measure_conversions(evidence.summary.journal)
    if found is None or not evidence.summary.journal.conversions:
        return _nothing_counted(evidence)
    timed = timed_rows(evidence)
    inside = {row.component for row, _ in timed}
    contracted = sum(ns for _, ns in timed)
    # For a model without contractions, relative to the calculator's whole time, which is larger.
    against, of = (contracted, "contractions") if contracted else (found.calculated_ns, "calculator")
    if not against:
        return unknown("neither contractions nor calls were timed")
    around = [
        each
        for each in found.rows
        if each.kind in KINDS
        and (not timed or each.component in inside)
        and not _is_needed(each, calls, int(evidence.calls.n_atoms.max(initial=0)))
    ]
    spent = sum(each.ns for each in around)
    number = sum(row.calls for row, _ in timed)
    numbers = {
        "seconds": spent / 1e9,
        f"over_time_of_{of}": spent / against,
        "per_contraction": sum(each.calls for each in around) / number if number else None,
        "longest": _longest(around),
    }
    text = "conversions, beyond those of positions and results,"
    text += f" take {percentage(spent / against)} of the time of the {of}"
    if spent < CONVERTING * against:
        return clear(text, evidence.all_calls, numbers, calls)
    return flagged(text, numbers=numbers, n=calls, saving_ns=float(spent))


def _is_needed(row: ConversionUse, calls: int, atoms: int) -> bool:
    """Return whether conversions may be those of positions, cell and results, which each call needs."""
    return row.calls <= NEEDED * calls and row.bytes <= row.calls * (BYTES_PER_ATOM * atoms + BYTES_OF_CELL)


def _mixed(evidence: Evidence) -> Observation | None:
    """Flag contractions that convert operands in each call; return None if they take little time."""
    timed = timed_rows(evidence)
    contracted = sum(ns for _, ns in timed)
    spent: dict[str, float] = {}
    for row, _ in timed:
        for each in row.signatures:
            if len({dtype_of(operand) for operand in each.operands} - {None}) > 1:
                spent[row.equation] = spent.get(row.equation, 0.0) + (each.ns or 0.0)
    mixed = sum(spent.values())
    if not mixed or mixed < CONVERTING * contracted:
        return None
    names = ", ".join(sorted(spent, key=lambda name: -spent[name])[:NAMED])
    found = measure_conversions(evidence.summary.journal)
    targets = {each.target for each in found.promotions if each.target} if found else set()
    numbers = {
        "share_of_contractions": mixed / contracted,
        "seconds": mixed / 1e9,
        "computed_in": ", ".join(sorted(targets)),
    }
    text = f"{percentage(mixed / contracted)} of the contractions' time is spent on mixed dtypes,"
    text += f" whose operands are converted in each call: {names}"
    return flagged(text, numbers=numbers, n=evidence.summary.evaluations.calls)


def _nothing_counted(evidence: Evidence) -> Observation:
    environment = evidence.environment
    if not isinstance(environment.torch, dict) and isinstance(environment.python, str):
        text = "torch is not loaded, and almost no contraction mixes dtypes"
        return clear(text, evidence.all_calls)
    return unknown("conversions are not counted while torch.compile is in use, or there were none")


def _longest(rows: Sequence[ConversionUse]) -> str:
    words = [f"{each.kind} {each.source}" + (f" to {each.target}" if each.target else "") for each in rows]
    return ", ".join(words[:2])


RULES = (
    Rule(
        "conversion",
        "cost",
        "Keep arrays in one library and one dtype from the first contraction to the last.",
        "The table of conversions in the report becomes shorter; the results agree.",
        conversion,
        trial="one-dtype",
    ),
)
