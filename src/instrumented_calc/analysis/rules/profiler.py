"""Rules on the recorder itself: its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, Severity

# Uncalibrated; the recorder's own budget is 1 %.
OWN_SHARE = 0.02
# Loading the recorder once is a large share of a run of one second, but irrelevant.
ONCE_NS = 100_000_000


def profiler_cost(evidence: Evidence) -> Observation:
    """The recorder takes more than its share."""
    breakdown = evidence.summary.breakdown
    if breakdown is None or not breakdown.wall_ns or not any(p.kind == "profiler" for p in breakdown.parts):
        return unknown("the recorder's own time was sampled fewer than two times")
    own = breakdown.of_kind("profiler")
    share = own / breakdown.wall_ns
    numbers = {"share_of_wall": share, "seconds": own / 1e9}
    text = f"the recorder took {100 * share:.2g} % of the wall time"
    calls = evidence.summary.evaluations.calls
    if share <= OWN_SHARE:
        return clear(text, numbers, calls)
    severity: Severity | None = "info" if own < ONCE_NS else None
    return flagged(text, numbers=numbers, n=calls, saving_ns=float(own), severity=severity)


RULES = (
    Rule(
        "profiler-cost",
        "cost",
        "Time fewer parts, or set a smaller overhead_budget.",
        "Set INSTRUMENTED_CALC=off and compare the wall time.",
        profiler_cost,
    ),
)
