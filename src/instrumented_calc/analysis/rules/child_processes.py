"""The rule on processes that are started again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, too_few, unknown
from instrumented_calc.quantities import count, figures

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Processes per call, uncalibrated, and the share of the time with a processor at `START_NS` for each, from
# which they are a cost. A low estimate: on a slow virtual machine one took 24 ms, the best of 25 in a process
# of 79 MB, and in the bench's pool of two (53.5 ms per call, 5.4 with a pool that is kept).
OFTEN, START_NS, LEAST_SHARE = 0.2, 3_000_000, 0.03


def processes_in_calls(evidence: Evidence) -> Observation:
    """Calls start processes instead of keeping them."""
    summary = evidence.summary
    counters, calls, wall = summary.journal.counters, summary.evaluations.calls, summary.wall_ns
    known = [] if counters is None else [counters.forks, counters.workers]
    started = max((each for each in known if isinstance(each, int)), default=None)
    if started is None:
        return unknown("processes that were started were not counted")
    if calls < FEWEST_FOR_MEDIAN or not wall:
        return too_few(FEWEST_FOR_MEDIAN, "calls", calls)
    number = started / calls
    numbers = {"processes": started, "per_call": number}
    text = f"{count(started)} processes were started by fork or multiprocessing in {count(calls)} calls"
    if number < OFTEN:
        return clear(text, evidence.all_calls, numbers, calls)
    text += f", {figures(number)} per call"
    is_cost = started * START_NS >= LEAST_SHARE * wall * evidence.had_processor
    return flagged(text, numbers=numbers, n=calls, severity="cost" if is_cost else "info")


RULES = (
    Rule(
        "processes-in-calls",
        "info",
        "Start the pool or the workers once, before the run, and keep them; or use threads.",
        "The number of processes no longer grows with the number of calls.",
        processes_in_calls,
    ),
)
