"""Check whether the results of calls are finite, as often as a small share of the time allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.rows.finite_results import forces_are_finite
from instrumented_calc.journal.records import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from instrumented_calc.capture.calls.lane import Lane

CHECK_SHARE = 1000  # at most a thousandth of the time
LONGEST_PAUSE_NS = 1_000_000_000
MOST_RECORDED = 10  # calls with a non-finite result; the rows have null there


class ResultChecks:
    """Checks of one run's results.

    For a calculator whose calls take a thousand times as long as a check, each call is checked; for a cheaper
    one at least the calls 1, 2, 4, 8, ..., and one per second.
    """

    __slots__ = ("_clock", "_not_finite")

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._not_finite = 0

    def check(self, lane: Lane, index: int, results: dict[str, Any], end: int, energy: Any) -> State | None:
        """Check the results of a call, and note when the next check of the lane is due.

        Args:
            lane: The calculator's lane.
            index: Number of the call.
            results: Its results.
            end: Its end, on the clock.
            energy: Its energy, UNSET if unknown.

        Returns:
            A record of the results that are not finite, or None.
        """
        lane.unseen = None
        if lane.calls == lane.look_at:  # the call that ends now is not counted yet
            lane.look_at = 2 * lane.calls + 1
        began = self._clock()
        names = ["energy"] if energy is not UNSET and energy - energy != 0.0 else []
        if not forces_are_finite(results.get("forces")):
            names.append("forces")
        lane.look_after = end + min(CHECK_SHARE * (self._clock() - began), LONGEST_PAUSE_NS)
        self._not_finite += bool(names)
        if not names or self._not_finite > MOST_RECORDED:
            return None
        return State(index=index, non_finite=names)

    def check_last(self, lanes: Iterable[Lane], end: int) -> Iterator[State]:
        """At the end of the run, check the forces of each lane's last call, if not done yet."""
        for lane in lanes:
            results = lane.stored("results")
            if lane.unseen is not None and type(results) is dict:
                record = self.check(lane, lane.unseen, results, end, UNSET)
                if record is not None:
                    yield record
