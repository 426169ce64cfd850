"""Look closer at the few calls that deserve it: check their results in full, and read the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.probes.state import read_step
from instrumented_calc.capture.rows.finite_results import positions_of
from instrumented_calc.capture.rows.result_checks import ResultChecks
from instrumented_calc.capture.rows.whose_atoms import are_others, results_are_of
from instrumented_calc.journal.records import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.rows.sampler import Sampler

GROWTH = 4.0  # of the sum of the squared forces: the state is read whenever they have doubled
MOST_GROWTHS = 64
INFINITE = float("inf")


class CloserLook:
    """Looks closer at the calls of one run.

    Args:
        clock: The run's clock, in ns.
        sampler: Reads the state.
        append: Adds a record to the outbox.
    """

    __slots__ = ("_append", "_checks", "_sampler")

    def __init__(self, clock: Callable[[], int], sampler: Sampler, append: Callable[[Any], object]) -> None:
        self._checks = ResultChecks(clock)
        self._sampler = sampler
        self._append = append

    def look(  # noqa: PLR0913, PLR0917 - the data of a call
        self,
        lane: LiveLane,
        index: int,
        results: dict[str, Any],
        end: int,
        energy: Any,
        squares: Any,
        atoms: Any,
        driver: Any,
    ) -> None:
        """Check the results of a call in full, and read the state if it is worth a record.

        Args:
            lane: The calculator's lane.
            index: Number of the call.
            results: Its results.
            end: Its end, on the clock.
            energy: Its energy, eV, UNSET if unknown.
            squares: Sum of its squared forces, UNSET if they were not summed.
            atoms: The calculated atoms, or None.
            driver: The driver, or None.
        """
        record = self._checks.check(lane, index, results, end, energy, squares, positions_of(atoms))
        if record is not None:
            self._append(record)
        begins = lane.calls >= lane.state_at  # the call that ends now is not counted yet
        if _is_worth_reading(lane, index, squares):
            state = self._sampler.read_now(index, end, results, atoms, driver, energy, lane)
            _compare_work(lane, state, results, atoms, driver)
            self._append(state)
        elif lane.force_work.begun:
            state = State(index=index)
            if _compare_work(lane, state, results, atoms, driver):
                self._append(state)
        if begins and not are_others(lane, driver, atoms):
            lane.force_work.begin(results, atoms)
        lane.look_at = lane.calls + 1 if lane.force_work.begun else lane.state_at

    def look_at_last(self, lanes: Iterable[LiveLane], end: int) -> None:
        """At the end of the run, check the forces of each lane's last call, and read its last state.

        Args:
            lanes: The run's lanes.
            end: End of the last call, on the clock.
        """
        for lane in lanes:
            for record in self._checks.check_last(lane, end):
                self._append(record)
            results = lane.stored("results")
            if lane.calls and type(results) is dict:
                driver = lane.watch.reference()
                atoms = getattr(driver, "atoms", None)
                if positions_of(atoms) is None:  # an optimizer may hold a filter or a band
                    atoms = lane.stored("atoms")
                elif not results_are_of(lane, atoms):
                    continue
                state = self._sampler.read_now(lane.last_call, end, results, atoms, driver, UNSET, lane)
                self._append(state)


def _compare_work(lane: LiveLane, state: State, results: dict[str, Any], atoms: Any, driver: Any) -> bool:
    """Compare the forces' work since the call before with the energy; return whether that was possible."""
    if not lane.force_work.begun:
        return False
    read_step(state, driver)
    return lane.force_work.end(state, results, None if are_others(lane, driver, atoms) else atoms)


def _is_worth_reading(lane: LiveLane, index: int, squares: Any) -> bool:
    """Return whether the lane's calls, its forces or a streak have doubled; its limits are raised."""
    wants = lane.same_energy.is_due(index) or lane.zero_forces.is_due(index)
    if lane.calls >= lane.state_at:
        lane.state_at = 2 * lane.calls or 1
        wants = True
    if squares is not UNSET and lane.force_limit < squares < INFINITE:
        lane.force_limit = GROWTH * float(squares)
        lane.growths += 1
        wants = wants or lane.growths <= MOST_GROWTHS
    return wants
