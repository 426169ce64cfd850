"""Check in full whether the results and positions of a call are finite, and record what is not.

The energy is checked at every call, and the rest by the quick check: at every call of half a millisecond or
more; of faster calls it leaves some out. Calls come here only if something is unusual. Forces that the quick
check cannot sum are checked here as often as a thousandth of the time allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.probes.state import atoms_not_finite
from instrumented_calc.capture.rows.finite_results import array_is_finite
from instrumented_calc.journal.records import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from instrumented_calc.capture.calls.lane import LiveLane

CHECK_SHARE = 1000  # at most a thousandth of the time
LONGEST_PAUSE_NS = 1_000_000_000
MOST_RECORDED = 10  # calls with a non-finite result; the rows have null there


class ResultChecks:
    """Checks of one run's results.

    Args:
        clock: The run's clock, in ns.
    """

    __slots__ = ("_clock", "_recorded")

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._recorded = 0

    def check(  # noqa: PLR0913, PLR0917 - the data of a call
        self,
        lane: LiveLane,
        index: int,
        results: dict[str, Any],
        end: int,
        energy: Any,
        squares: Any,
        positions: Any,
    ) -> State | None:
        """Check the results of a call; the next check is due when the quick check says, with two exceptions.

        As long as results are not finite, all calls are checked; forces that cannot be summed, as seldom as
        this check is dear.

        Args:
            lane: The calculator's lane.
            index: Number of the call.
            results: Its results.
            end: Its end, on the clock.
            energy: Its energy, UNSET if unknown.
            squares: Sum of its squared forces, UNSET if they were not summed.
            positions: Positions of the atoms, or None.

        Returns:
            A record of what is not finite, or None.
        """
        lane.unseen = None
        began = self._clock()
        names = ["energy"] if energy is not UNSET and energy - energy != 0.0 else []
        forces = results.get("forces")
        if not array_is_finite(forces):
            names.append("forces")
        if not array_is_finite(positions):
            names.append("positions")
        if names:
            lane.not_finite += 1
        if lane.not_finite:
            lane.look_after = end
        elif squares is UNSET:
            lane.look_after = end + min(CHECK_SHARE * (self._clock() - began), LONGEST_PAUSE_NS)
        if not names:
            return None
        self._recorded += 1
        if self._recorded > MOST_RECORDED:
            return None
        return State(
            index=index, non_finite=names, non_finite_atoms=atoms_not_finite(forces, positions) or UNSET
        )

    def check_last(self, lane: LiveLane, end: int) -> Iterator[State]:
        """At the end of the run, check the forces of a lane's last call, if not done yet."""
        results = lane.stored("results")
        if lane.unseen is not None and type(results) is dict:
            record = self.check(lane, lane.unseen, results, end, UNSET, UNSET, None)
            if record is not None:
                yield record
