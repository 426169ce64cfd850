"""Whether a remedy makes a program surely faster, from runs with and without it in the same rounds.

The unit is the round: one run as it is and one with the remedy, made shortly after each other. Student's t
for the mean logarithm of their ratio; a drift of the machine that both share cancels. All remedies of a
trial and all looks at one of them share the 5 % of error (union bound).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.sequential import interval_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.statistics.student_t import Estimate

HELPS, NO_GAIN, NOT_SURE, MORE = "helps", "no gain", "not sure", "more rounds"
# Rounds after which the data are looked at. Fewer than four give intervals of any width.
LOOKS = (4, 6, 9)
ALPHA = 0.05
# A smaller gain is not worth a changed line. Judgement.
WORTH = 1.03
# From this look on, a mean gain below WORTH ends the rounds. Simulated runs that scatter by 3 %: remedies
# without effect take 40 % fewer rounds, and 69 instead of 70 % of gains of 5 % are found.
LATE_LOOK = LOOKS[1]
# If the mean gain is below 1, the remedy counts as no gain only if the upper end of the interval is below
# this. On a busy machine, an interval from four rounds was [0.4, 2.3]. Judgement.
LARGE = 1.25
# Mean slow-down after each round of the search beyond which a remedy is dropped. On a busy machine single
# runs differ by a factor of two (seen with eight programs per processor), so the first limit is wide. A third
# round would spare one confirmation in twenty, and cost as much as a round of it.
SEARCH_LIMITS = (2.0, 1 / 1.02)


def survives(log_ratios: Sequence[float]) -> bool:
    """Return whether a remedy stays in the search.

    Args:
        log_ratios: Logarithm of the time with the remedy over that as it is, of each round of the search.
    """
    limit = SEARCH_LIMITS[min(len(log_ratios), len(SEARCH_LIMITS)) - 1]
    return mean_ratio(log_ratios) < limit


def mean_ratio(log_ratios: Sequence[float]) -> float:
    """Return the geometric mean of the time with the remedy over that as it is."""
    return math.exp(math.fsum(log_ratios) / len(log_ratios))


def judge_gain(log_ratios: Sequence[float], remedies: int, *, ended: bool) -> tuple[str, Estimate | None]:
    """Judge the rounds of the confirmation, which are not those of the search.

    Args:
        log_ratios: Logarithm of the time with the remedy over that as it is, of each round.
        remedies: Number of remedies that share the error.
        ended: Whether there will be no further round.

    Returns:
        The verdict, and the speed-up (as it is over with the remedy) with its interval; `more rounds` until
        a look decides.
    """
    rounds = len(log_ratios)
    if rounds < LOOKS[0]:
        return (NOT_SURE if ended else MORE), None
    alpha = ALPHA / len(LOOKS) / remedies
    gain = interval_of([-each for each in log_ratios], alpha)
    if rounds not in LOOKS and not ended:
        return MORE, gain
    if gain.low > 1:
        return (HELPS if gain.value >= WORTH else NO_GAIN), gain
    if gain.high < (LARGE if gain.value < 1 else WORTH):
        return NO_GAIN, gain
    hopeless = rounds >= LATE_LOOK and gain.value < WORTH
    return (NOT_SURE if ended or hopeless or rounds >= LOOKS[-1] else MORE), gain
