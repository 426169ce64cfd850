"""Decide on pairs of runs while they are added, without the false alarms that repeated looks cause.

One interval per added pair would redden unchanged code several times as often as it says: each look is
another chance. So few looks are planned, at 3, 4, 6, 8, 12, 17, ... pairs, and the 5 % of error that the
whole gate may make are divided among them in proportion to their pairs: alpha spending (Lan and DeMets,
Biometrika 70, 659 (1983)), with the union bound in place of the joint distribution of the looks, so that it
holds for any dependence between them. At each look the unit is the pair: Student's t for the mean of the
differences of logarithms, after less before, of two runs made one after the other. A drift of the machine
that both runs of a pair share cancels.

A limit that is found exceeded must be found exceeded once more, by the same procedure on new pairs alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.speed_limits import BROKEN, MET, NOT_SURE
from instrumented_calc.analysis.statistics.student_t import Estimate, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit

MORE = "more pairs"
FEWEST_PAIRS = 3
GROWTH = math.sqrt(2)  # from look to look
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Judgement:
    """What pairs of runs say about a limit.

    Attributes:
        state: `met`, `broken`, `not sure`, or `more pairs` while no decision is possible.
        pairs: Pairs that the interval is from.
        interval: After over before at the last look; None before the first look.
        first: The first round, if it found the limit exceeded and this is the round that confirms it.
    """

    state: str
    pairs: int
    interval: Estimate | None
    first: Judgement | None = None


@cache
def planned_looks(most: int) -> tuple[int, ...]:
    """Return the numbers of pairs at which the data are looked at; the last is the most of a round."""
    looks, next_look = [], float(FEWEST_PAIRS)
    while round(next_look) < most:
        looks.append(round(next_look))
        next_look = max(next_look * GROWTH, looks[-1] + 1)
    return (*looks, most)


def judge_gate(
    log_ratios: Sequence[float], limit: SpeedLimit, most: int, *, ended: bool = False
) -> Judgement:
    """Judge all pairs so far.

    Args:
        log_ratios: Logarithm of after over before, of each pair in order.
        limit: The limit.
        most: The most pairs of a round: the search, and the confirmation of an exceeded limit.
        ended: Whether no pair can be added, because the time is up.

    Returns:
        `broken` only if both rounds found the limit exceeded.
    """
    first = _judge_round(log_ratios, limit, most, ended=ended)
    if first.state != BROKEN:
        return first
    second = _judge_round(log_ratios[first.pairs :], limit, most, ended=ended)
    # What the first round found and the second did not is neither a failure nor a success.
    state = NOT_SURE if second.state == MET else second.state
    return Judgement(state, second.pairs, second.interval, first=first)


def _judge_round(log_ratios: Sequence[float], limit: SpeedLimit, most: int, *, ended: bool) -> Judgement:
    """Return the first look that decides, or the state after the last pair."""
    planned = planned_looks(most)
    looks = [each for each in planned if each <= len(log_ratios)]
    if ended and FEWEST_PAIRS <= len(log_ratios) < most and len(log_ratios) not in looks:
        looks.append(len(log_ratios))
    found = Judgement(NOT_SURE if ended else MORE, len(log_ratios), None)
    for pairs in looks:
        last = pairs == most or (ended and pairs == len(log_ratios))
        # The last look may use all of the error that is left.
        share = sum(planned) - sum(each for each in planned if each < pairs) if last else pairs
        interval = interval_of(log_ratios[:pairs], ALPHA * share / sum(planned))
        state = limit.check(interval)
        found = Judgement(MORE if state == NOT_SURE and not last else state, pairs, interval)
        if found.state != MORE:
            break
    return found


def interval_of(log_ratios: Sequence[float], alpha: float) -> Estimate:
    """Return the mean ratio with its two-sided interval: paired t test, Student, Biometrika 6, 1 (1908).

    Args:
        log_ratios: At least two.
        alpha: Probability outside the interval.
    """
    count = len(log_ratios)
    middle = math.fsum(log_ratios) / count
    variance = math.fsum((each - middle) ** 2 for each in log_ratios) / (count - 1)
    reach = t_quantile(count - 1, 1 - alpha) * math.sqrt(variance / count)
    return Estimate(middle, middle - reach, middle + reach).exponential()
