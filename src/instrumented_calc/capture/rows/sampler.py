"""Samples the process and the simulation at the end of calls, within the budget of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.probes.conserved_energy import is_plain_verlet
from instrumented_calc.capture.probes.state import read_state
from instrumented_calc.capture.rows.live_evidence import LiveEvidence, Sample
from instrumented_calc.capture.rows.whose_atoms import are_others
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.journal.records import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.probes import Probe
    from instrumented_calc.journal.records import Call

SAMPLE_EVERY_NS = 10_000_000
SAMPLE_SHARE = 1000  # a sample costs 2 us hot and 30 us cold: at most a thousandth of the time
LONGEST_PAUSE_NS = 100_000_000  # one slow sample predicts little about the next
RAREST_SAMPLE_NS = 250_000_000  # at a lower rate a leak would be seen too late
# The first calls load what the later ones use, so the budget of this time may be used in advance: else a run
# of two seconds is sampled too rarely to see a leak.
ADVANCE_NS = 2_500_000_000
# States are 200 bytes: this many in the first minutes of a run of any length, then one a second.
STATE_EVERY_NS, RAREST_STATE_NS, STATES_AT_FIRST = 50_000_000, 1_000_000_000, 200
STATE_SHARE = 1000  # the same limit: reading forces and positions of many atoms takes a millisecond
GROWTH = 1.25  # of the least cost of a state, from one to the next
# States of the first seconds, beside that limit: a short run would have a handful of temperatures.
STATE_START_NS = 5_000_000


class Sampler:
    """Reads the probes of one run and, less often, the state of the simulation.

    Args:
        clock: The run's clock, in ns.
        origin: The clock at the start of the run.
        notices: The run's notices.
        budget: Share of the wall time that may be used before samples become rarer.

    Attributes:
        due: When the next sample is due, on the clock.
        live: Evidence for findings during the run.
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_every",
        "_excused",
        "_next_state",
        "_notices",
        "_origin",
        "_probes",
        "_state_cost",
        "_states_ns",
        "due",
        "live",
    )

    def __init__(self, clock: Callable[[], int], origin: int, notices: Notices, budget: float) -> None:
        self.due = 0
        self.live = LiveEvidence()
        self._clock = clock
        self._origin = origin
        self._notices = notices
        self._budget = budget
        self._probes: tuple[Probe, ...] = ()
        self._every = SAMPLE_EVERY_NS
        self._next_state = 0
        self._state_cost = 0.0
        self._states_ns = 0
        self._excused = 0

    def begin(self, probes: tuple[Probe, ...]) -> None:
        """Start to read these probes."""
        self._probes = probes

    def excuse(self, spent: int) -> None:
        """Exempt this time of the recorder, in ns, from the budget."""
        self._excused += spent

    def sample(self, row: Call, end: int, self_ns: int) -> None:
        """Read the probes into the row of a call.

        Args:
            row: The row.
            end: End of the call, on the clock.
            self_ns: The recorder's own time so far.
        """
        began = self._clock()
        self.due = end + self._every
        for probe in self._probes:
            probe.sample(row)
        row.self_ns = self_ns
        memory = _known(row.rss_bytes), _known(row.device_allocated_bytes)
        self.live.add(Sample(row.index, end, _known(row.cpu_ns), *memory))
        self._govern(end - self._origin, self_ns)
        pause = min(SAMPLE_SHARE * (self._clock() - began), LONGEST_PAUSE_NS)
        self.due = end + max(self._every, pause)

    def state(  # noqa: PLR0913, PLR0917 - the data of a call
        self, index: int, end: int, results: Any, atoms: Any, driver: Any, energy: Any, lane: LiveLane
    ) -> State | None:
        """Return the state of the simulation after a call, or None if it is not due yet.

        Args:
            index: Number of the call.
            end: End of the call, on the clock.
            results: Its results, or None.
            atoms: The calculated atoms, or None.
            driver: The driver, or None.
            energy: The potential energy, eV, or UNSET.
            lane: The calculator's lane.
        """
        if end < self._next_state:
            return None
        return self.read_now(index, end, results, atoms, driver, energy, lane)

    def read_now(  # noqa: PLR0913, PLR0917 - the data of a call
        self, index: int, end: int, results: Any, atoms: Any, driver: Any, energy: Any, lane: LiveLane
    ) -> State:
        """Return the state of the simulation after a call, and put off the next one; arguments as above."""
        if are_others(lane, driver, atoms):
            return State(index=index)  # the next one is of the driver's atoms again
        state = read_state(index, results, atoms, driver, energy, lane.last_positions)
        if lane.same_energy.last_call == index:
            state.same_energy = lane.same_energy.length
        if lane.zero_forces.last_call == index:
            state.zero_forces = lane.zero_forces.length
        with own_faults_dropped():
            phase = lane.watch.phase
            lane.verlet = phase if phase is not None and is_plain_verlet(driver, atoms) else -1
        cost = self._clock() - end
        # Other programs interrupt readings for milliseconds, and the first one loads what the others use: the
        # usual cost is near the least so far, which may grow slowly, as a system does.
        self._state_cost = min(cost, GROWTH * self._state_cost or cost)
        usual = min(cost, int(2 * self._state_cost))
        every = min(max((end - self._origin) // STATES_AT_FIRST, STATE_EVERY_NS), RAREST_STATE_NS)
        self._states_ns += usual
        pause = STATE_SHARE * usual if self._states_ns > STATE_START_NS else 0
        self._next_state = end + max(every, pause)
        return state

    def _govern(self, elapsed: int, self_ns: int) -> None:
        """Sample less often while the recorder exceeds its budget."""
        over = self_ns - self._excused > self._budget * (elapsed + ADVANCE_NS)
        if not over or self._every >= RAREST_SAMPLE_NS or elapsed <= 100 * SAMPLE_EVERY_NS:
            return
        if self._every == SAMPLE_EVERY_NS:
            self._notices.info(
                "sampling-thinned",
                "the recorder exceeded its budget; from now on the process is sampled less often, at"
                f" least every {RAREST_SAMPLE_NS / 1e9:g} s",
                least_every_ns=RAREST_SAMPLE_NS,
            )
        self._every = min(2 * self._every, RAREST_SAMPLE_NS)


def _known(value: Any) -> Any:
    """Return a field's value, or None if it is absent."""
    return None if value is UNSET else value
