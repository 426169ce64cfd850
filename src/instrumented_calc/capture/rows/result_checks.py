"""Check whether results and positions are finite, and note calls at which to read the state.

The energy is checked at every call. The hot path computes the sums of the squared forces and positions, which
NaN and infinity pass through, and comes here only if something is unusual. It does so at every call of half a
millisecond or more; of faster calls it leaves some out. Forces that it cannot sum (unusual types, very many
atoms) are checked here as often as a thousandth of the time allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.probes.state import atoms_not_finite
from instrumented_calc.capture.rows.finite_results import array_is_finite
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.records import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from instrumented_calc.capture.calls.lane import Lane

CHECK_EVERY_NS = 500_000  # the sums of forces and positions take 1.4 us: 0.3 %
CHECK_SHARE = 1000  # at most a thousandth of the time
LONGEST_PAUSE_NS = 1_000_000_000
MOST_RECORDED = 10  # calls with a non-finite result; the rows have null there
GROWTH = 4.0  # of the sum of the squared forces: the state is read whenever they have doubled
MOST_GROWTHS = 64
ROUNDING = 1e-9
INFINITE = float("inf")
FEWEST_SAME = 8  # calls with one energy: then the state is read, and when they have doubled


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
        self, lane: Lane, index: int, results: dict[str, Any], end: int, energy: Any, positions: Any
    ) -> State | None:
        """Check the results of a call, and note when the next check of the lane is due.

        Args:
            lane: The calculator's lane.
            index: Number of the call.
            results: Its results.
            end: Its end, on the clock.
            energy: Its energy, UNSET if unknown.
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
        lane.look_after = end + min(CHECK_SHARE * (self._clock() - began), LONGEST_PAUSE_NS)
        if not names:
            return None
        lane.not_finite += 1
        self._recorded += 1
        if self._recorded > MOST_RECORDED:
            return None
        return State(
            index=index, non_finite=names, non_finite_atoms=atoms_not_finite(forces, positions) or UNSET
        )

    @staticmethod
    def wants_state(lane: Lane, squares: Any) -> bool:
        """Return whether to read the state after a call: the lane's calls or forces have doubled.

        Args:
            lane: The calculator's lane; its limits are raised.
            squares: Sum of the squared forces; UNSET if unknown.
        """
        wants = False
        if lane.calls >= lane.look_at:  # the call that ends now is not counted yet
            lane.look_at = 2 * lane.calls or 1
            wants = True
        if squares is not UNSET and lane.force_limit < squares < INFINITE:
            lane.force_limit = GROWTH * float(squares)
            lane.growths += 1
            wants = wants or lane.growths <= MOST_GROWTHS
        return wants

    @staticmethod
    def note_same_energy(lane: Lane, changes: Any) -> bool:
        """Count a call with exactly the energy of the lane's previous one, if the atoms have moved.

        Returns:
            Whether to read the state: the number of such calls in a row has doubled.
        """
        # Without ASE's list of changes, the positions at the states tell.
        if changes is not None and (type(changes) is not list or "positions" not in changes):
            return False
        lane.same_energy += 1
        lane.same_streak = lane.same_streak + 1 if lane.calls == lane.same_at else 2
        lane.same_at = lane.calls + 1
        streak = lane.same_streak
        return streak >= FEWEST_SAME and not streak & (streak - 1)

    @staticmethod
    def note_momentum(lane: Lane, atoms: Any, driver: Any, forces: Any, step: int) -> None:
        """Count a step of velocity Verlet in which something else changed the velocities.

        Between two calls of successive steps a momentum changes by F dt. One number tells whether all were
        scaled or drawn anew.
        """
        try:
            momentum, force = atoms.arrays["momenta"].item(0), forces.item(0)
        except Exception as error:  # a tensor, or no momenta
            if is_foreign(error):
                raise
            return
        before, then, pull = lane.last_kick
        lane.last_kick = (step, momentum, force)
        if step == before + 1:
            kick = driver.dt * pull
            if abs(momentum - then - kick) > ROUNDING * (abs(momentum) + abs(then) + abs(kick)):
                lane.velocity_changes += 1

    def check_last(self, lane: Lane, end: int) -> Iterator[State]:
        """At the end of the run, check the forces of a lane's last call, if not done yet."""
        results = lane.stored("results")
        if lane.unseen is not None and type(results) is dict:
            record = self.check(lane, lane.unseen, results, end, UNSET, None)
            if record is not None:
                yield record
