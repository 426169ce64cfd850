"""Rules on the recorder itself: its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Uncalibrated; the recorder's own budget is 1 %.
OWN_SHARE = 0.05
# Starting the recorder is a large share of a run of one second, but happens once: 0.14 s was seen on a busy
# machine.
START_NS = 150_000_000
WITHOUT_PARTS = "Set a smaller overhead_budget, or places=False."


def profiler_cost(evidence: Evidence) -> Observation:
    """The recorder takes more than its share."""
    breakdown = evidence.summary.breakdown
    if breakdown is None or not breakdown.wall_ns or not any(p.kind == "profiler" for p in breakdown.parts):
        missing = "the recorder's own time was sampled fewer than two times"
        return unknown(missing, Need("calls", "samples of the CPU time", 2))
    own = breakdown.of_kind("profiler")
    share = own / breakdown.wall_ns
    numbers = {"share_of_wall": share, "seconds": own / 1e9}
    text = f"the recorder took {percentage(share)} of the wall time"
    calls = evidence.summary.evaluations.calls
    lasting = own - START_NS
    if lasting <= OWN_SHARE * breakdown.wall_ns:
        return clear(text, evidence.all_calls, numbers, calls)
    remedy = None if evidence.calls.components else WITHOUT_PARTS
    return flagged(text, numbers=numbers, n=calls, saving_ns=float(lasting), remedy=remedy)


RULES = (
    Rule(
        "profiler-cost",
        "cost",
        "Time fewer parts, or set a smaller overhead_budget.",
        "Set INSTRUMENTED_CALC=off and compare the wall time.",
        profiler_cost,
        trial="smaller-overhead-budget",
        saving_kind="about",
        region="anywhere",
    ),
)
