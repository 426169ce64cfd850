"""The rule on time outside the calculator: a cost only where the user can avoid it.

An integrator, an optimizer, a cell filter or a band needs time of its own, and a program without a driver
does its work between calls. Such time is reported as a part of the run, without a saving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instrumented_calc.analysis.observers import all_measured
from instrumented_calc.analysis.places import newest_places
from instrumented_calc.analysis.rules.driver_advice import ATTACH, dense_optimizer, outside_advice
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, too_few
from instrumented_calc.analysis.statistics.period import find_period
from instrumented_calc.analysis.timing.latency import in_order, median_ns
from instrumented_calc.journal.vocabulary import BETWEEN, CALCULATOR, DRIVER, OBSERVERS, RECORDER
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.analysis.places import PartPlaces, SampledPlace
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.analysis.statistics.period import Period
    from instrumented_calc.journal.columns import Integers

# Share of the wall time. Uncalibrated; 27 ms per step, 26 of them in the model, is healthy (i-pi/i-pi#570).
OUTSIDE_SHARE = 0.2
# A shorter run mostly starts and ends.
SHORTEST_RUN_NS = 1_000_000_000
# Time between calls that an ASE integrator needs, without the recorder's: at least, and at most in the
# quickest quarter of the steps. Measured with 32 atoms: 0.1 to 0.2 ms on a fast processor, 0.4 to 1.1 ms on a
# slow virtual one (80 runs of the bench; the longer ones beside torch or sleeping calls). Plus 0.1 us per
# further atom.
INTEGRATOR_LEAST_NS, INTEGRATOR_NS, INTEGRATOR_NS_PER_ATOM = 100_000, 1_250_000, 100
# The same for an optimizer that diagonalises a matrix of all coordinates, without that.
OPTIMIZER_NS = 1_600_000
# A gap above 100 medians is a scheduler pause. Uncalibrated.
QUEUE_PAUSE = 100.0
# Share of the wall time in long gaps from which their period is named, and share of a saving that is a cost,
# also if little other time is outside. Uncalibrated.
WORTH_A_PERIOD, WORTH_NAMING = 0.01, 0.1
# Samples outside the calculator that tell its parts apart: 10 of one part are surely more than half.
ENOUGH_SAMPLES = 10
# Fewer gaps may all be long because other programs ran: that is not measured well in so short a run.
FEWEST_GAPS = 100
# What takes time in every step also does in the quickest quarter of the steps. Pauses of the scheduler are
# shorter than 20 ms.
UNDISTURBED, FIFTHS, LONG_NS = 0.25, 5, 20_000_000


class Outside(NamedTuple):
    """The time outside the calculator, without single long pauses.

    Attributes:
        wall_ns: Wall time of the run, without pauses.
        spent_ns: The time outside.
        paused_ns: The pauses.
        gaps_ns: Each gap between calls, in order; pauses are 0.
        usual_ns: Median gap.
        period: Period of long gaps, or None; not searched where calculators or structures alternate.
    """

    wall_ns: float
    spent_ns: float
    paused_ns: float
    gaps_ns: NDArray[np.float64]
    usual_ns: float
    period: Period | None

    @property
    def share(self) -> float:
        """Share of the wall time."""
        return self.spent_ns / self.wall_ns if self.wall_ns > 0 else 0.0

    @property
    def periodic_ns(self) -> float:
        """Time in periodic long gaps, if that is worth naming; else 0."""
        worth = self.period is not None and self.period.excess >= WORTH_A_PERIOD * self.wall_ns
        return self.period.excess if self.period is not None and worth else 0.0

    @property
    def steady_ns(self) -> float:
        """The time outside if all fifths of the calls had as much as the median fifth."""
        total = float(self.gaps_ns.sum())
        return self.spent_ns * min(_steady_sum(self.gaps_ns) / total, 1.0) if total else 0.0


class Avoidable(NamedTuple):
    """The time outside that a user can avoid, ns.

    Attributes:
        sure: What is beyond doubt, also if a driver needs long and other programs took the processor there.
        most: The upper limit.
    """

    sure: float
    most: float


def time_outside(evidence: Evidence) -> Observation:
    """Much time passes between calls in what a user can change: observers, own code, a dense optimizer."""
    breakdown = evidence.summary.breakdown
    if breakdown is None or not breakdown.wall_ns or evidence.summary.evaluations.calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls")
    outside = _measure(evidence)
    periodic, n = outside.periodic_ns, len(outside.gaps_ns)
    numbers = {
        "share_of_wall": outside.share,
        "seconds": outside.spent_ns / 1e9,
        "pauses_left_out_s": outside.paused_ns / 1e9,
        "median_gap_ms": outside.usual_ns / 1e6,
        "period_calls": outside.period.length if outside.period and periodic else None,
        "periodic_seconds": periodic / 1e9 if periodic else None,
        "observers_share": breakdown.of_kind("observers") / breakdown.wall_ns,
    }
    text = f"{percentage(outside.share)} of the wall time is outside the calculator"
    if outside.period and periodic:
        share = percentage(periodic / outside.wall_ns)
        text += f", {share} in long gaps every {outside.period.length} calls"
    named = periodic >= WORTH_NAMING * outside.wall_ns > 0
    if outside.share < OUTSIDE_SHARE and not named:
        return clear(text, evidence.part_of_calls(n), numbers, n)
    asked = next((each.phase.calculator for each in evidence.summary.phases if each.phase.calculator), None)
    if asked and breakdown.of_kind("observers") <= breakdown.of_kind("outside"):
        text += f", in the driver and in the rest of {asked}"
        return flagged(text, numbers=numbers, n=n, severity="info", remedy=WRAP.format(asked))
    saving = Avoidable(periodic, periodic) if named else _avoidable(evidence, outside)
    worth = WORTH_NAMING * outside.wall_ns
    if outside.wall_ns < SHORTEST_RUN_NS or saving.sure < worth:
        may_be = saving.most >= worth and evidence.is_md and not all_measured(evidence.summary.journal)
        text += "" if may_be else ", in what the driver or the program must do"
        return flagged(text, numbers=numbers, n=n, severity="info", remedy=MAYBE if may_be else NOTHING)
    remedy, trial = outside_advice(evidence, periodic=named)
    return flagged(text, numbers=numbers, n=n, saving_ns=saving.most, remedy=remedy, trial=trial)


def _measure(evidence: Evidence) -> Outside:
    summary, calls = evidence.summary, evidence.calls
    breakdown = summary.breakdown
    assert breakdown is not None  # noqa: S101 - seen by the caller
    spent = breakdown.of_kind("outside") + breakdown.of_kind("observers")
    rows = in_order(calls, ~(calls.nested | calls.sliced) & (calls.gap_ns >= 0))
    gaps = calls.gap_ns[rows]
    profiled = calls.profiled[rows]
    if profiled.any():  # gaps that the profiler made longer are neither pauses nor periodic
        gaps = np.where(profiled, int(median_ns(gaps)), gaps)
    usual = median_ns(gaps) if len(gaps) else 0.0
    step = summary.wall_ns / summary.evaluations.calls if summary.wall_ns else 0.0
    pauses = gaps > QUEUE_PAUSE * max(usual, step)
    paused = float(gaps.sum(dtype=np.int64, where=pauses))
    kept = np.where(pauses, 0, gaps).astype(np.float64)
    alike = bool(summary.phases) and len(evidence.sizes) <= 1 and len(summary.lanes) <= 1
    # Between two drivers the program works: a search relaxes one structure after the other.
    begins = np.diff(calls.phase[rows], prepend=calls.phase[rows[:1]]) != 0
    period = find_period(np.arange(len(rows)), np.where(begins, usual, kept), usual) if alike else None
    # A step of several calls has long and short gaps by itself, as often as it goes through its structures.
    if period is not None and not _calls_of_a_step(evidence, rows) % period.length:
        period = None
    return Outside(breakdown.wall_ns - paused, max(spent - paused, 0.0), paused, kept, usual, period)


def _calls_of_a_step(evidence: Evidence, rows: Integers) -> int:
    """Return the number of calls that most steps have; 1 if steps were not counted."""
    calls = evidence.calls
    counted = rows[calls.step[rows] >= 0]
    if not len(counted):
        return 1
    _, numbers = np.unique(np.stack([calls.phase[counted], calls.step[counted]]), axis=1, return_counts=True)
    return round(median_ns(numbers))


def _avoidable(evidence: Evidence, outside: Outside) -> Avoidable:
    """Return the time outside that a user can avoid.

    Observers that the recorder timed, what samples show, and if it could not time all observers, what is
    beyond an integrator's usual need.
    """
    number, had = len(outside.gaps_ns), evidence.had_processor
    steady = outside.steady_ns
    # Where other programs took the processor, only a part of this was needed, and long gaps may be theirs.
    surely = steady if had == 1 else had * min(steady, outside.usual_ns * number)
    if dense_optimizer(evidence):
        # A band has one long gap per step, so that the median gap tells nothing of it.
        solving = number * OPTIMIZER_NS
        return Avoidable(max(had * steady - solving, 0.0), max(steady - solving, 0.0))
    least, usual = _driver_needs(evidence, number)
    observers = float(_observers_ns(evidence))
    # What comes once may be theirs.
    timed = max(observers - (outside.spent_ns + outside.paused_ns - steady), 0.0)
    sampled = _sampled(evidence)
    if sampled is None and (all_measured(evidence.summary.journal) or not evidence.is_md):
        sampled = Avoidable(0.0, 0.0)
    if sampled is None and number < FEWEST_GAPS:
        sampled = Avoidable(0.0, max(steady - timed, 0.0))
    elif sampled is None:
        quick = float(np.quantile(outside.gaps_ns, UNDISTURBED)) if number else 0.0
        beyond = outside.gaps_ns - outside.usual_ns
        long = _steady_sum(np.where(beyond > LONG_NS, beyond, 0.0))
        every = number * quick - _recording_ns(evidence) - usual - timed
        sampled = Avoidable(max(every, 0.0) + max(long - timed, 0.0), max(steady - timed, 0.0))
    sure = min(timed, surely) + max(min(sampled.sure, surely - timed - usual), 0.0)
    return Avoidable(sure, max(min(observers, steady) + min(sampled.most, steady - observers - least), sure))


def _driver_needs(evidence: Evidence, number: int) -> tuple[float, float]:
    """Return the least time that the driver needs between so many calls, and that on a slow machine, ns.

    Both are 0 for others than integrators: samples show what optimizers do, and nothing else is known.
    """
    if not evidence.is_md:
        return 0.0, 0.0
    more = INTEGRATOR_NS_PER_ATOM * max(int(evidence.calls.n_atoms.max(initial=0)), 0)
    return number * (INTEGRATOR_LEAST_NS + more), number * (INTEGRATOR_NS + more)


def _steady_sum(values: NDArray[np.float64]) -> float:
    """Return five times the sum of the median fifth: the sum if all parts of the run were alike."""
    sums = sorted(float(part.sum()) for part in np.array_split(values, FIFTHS))
    return FIFTHS * sums[FIFTHS // 2]


def _recording_ns(evidence: Evidence) -> int:
    """Return the recorder's own time, which is part of the gaps."""
    breakdown = evidence.summary.breakdown
    return 0 if breakdown is None else breakdown.of_kind("profiler")


def _observers_ns(evidence: Evidence) -> int:
    """Return the measured time of the observers, else 0."""
    breakdown = evidence.summary.breakdown
    return 0 if breakdown is None else breakdown.of_kind("observers")


def _sampled(evidence: Evidence) -> Avoidable | None:
    """Return the time of observers that were not timed, and of the user's code in the driver, if known.

    None with too few samples.

    Samples between calls whose place was not seen surely are no such time: places that let other threads run,
    such as writers, are seen more often than those that do not.
    """
    summary = evidence.summary
    newest = newest_places(summary.journal)
    if summary.breakdown is None or summary.places is None or newest is None:
        return None
    timed = bool(_observers_ns(evidence)) or all_measured(summary.journal)
    known = {CALCULATOR, RECORDER, *([OBSERVERS] if timed else [])}
    parts = [each for each in summary.places.parts if each.part not in known]
    if sum(each.estimate.samples for each in parts) < ENOUGH_SAMPLES:
        return None
    share = sum(
        place.estimate.share
        for part in parts
        for place in part.places
        if _is_avoidable(evidence, part, place)
    )
    between = [stack for stack in newest.stacks if stack.part not in known]
    seen = sum(stack.ns for stack in between if stack.part != BETWEEN)
    seen_share = seen / max(sum(stack.ns for stack in between), 1)
    most = share * summary.breakdown.wall_ns
    return Avoidable(most * seen_share, most)


def _is_avoidable(evidence: Evidence, part: PartPlaces, place: SampledPlace) -> bool:
    """Return whether a place outside the calculator is the user's choice.

    A driver that the user wrote does its work in the user's code.
    """
    if part.part == OBSERVERS:
        return True
    of_user = not place.package or bool(place.caller)
    drivers_of_ase = all(each.phase.driver.startswith("ase.") for each in evidence.summary.phases)
    return part.part == DRIVER and of_user and bool(place.function) and drivers_of_ase


NOTHING = "Nothing to fix. The report's tree and its section on the code show where this time is."
WRAP = "To measure all of the calculator, record the {0}: atoms.calc = ProfiledCalculator({0}(...))."
MAYBE = f"If it has observers or constraints of your own, measure them: {ATTACH}."

RULES = (
    Rule(
        "time-outside",
        "cost",
        "Look at what the program does between calls.",
        "The share of the wall time outside the calculator falls.",
        time_outside,
        region="outside",
    ),
)
