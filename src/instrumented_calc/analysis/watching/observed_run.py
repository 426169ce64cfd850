"""What is known of a run from the lines of its journal read so far, in bounded memory.

Lines may come in any order and more than once: of a large journal its ends are read first. Totals are
therefore never summed here: they are the newest ones that the journal states.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.analysis.watching.series import Series
from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.run_start import UNDECODABLE, decode_start
from instrumented_calc.journal.untrusted_values import tame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECENT_ROWS = 4_000
RECENT_SLICES = 60
MOST_LISTED = 100  # calculators, drivers, findings and notices
START = b'{"event":"run_start"'

_Read = (
    records.Call
    | records.Slice
    | records.OpenCall
    | records.State
    | records.Machine
    | records.Lane
    | records.Phase
    | records.Finding
    | records.Notice
    | records.Tally
    | records.RunEnd
)


class ObservedRun:
    """The records of one run, as far as a viewer shows them.

    Attributes:
        start: The first record; None until it is read.
        end: The last record; None while the run has not ended.
        lanes: Wrapped calculators by number.
        phases: Drivers by number.
        counters: The newest totals.
        newest: The newest call that has ended.
        newest_slice: The newest sums of a thinned journal.
        phase: Number of the newest known driver, and the time from which it is known.
        open_calls: Reports on calls that had not ended, newest last.
        rows: The newest outermost calls that are no part of a slice.
        slices: The newest sums.
        steps: Steps of the driver over time, ns.
        latencies: Durations of calls over time, ns.
        resident: Resident memory over time, bytes.
        machines: The first and the newest readings of the machine.
        conserved: Conserved energy over calls, eV.
        temperatures: Temperature over calls, K.
        state_steps: Steps of the driver over calls.
        state: The newest state of the simulation.
        broken: The first known state with values that are not finite.
        findings: Findings during the run, by rule.
        notices: Warnings and the user's marks, newest last.
        seen: Number of understood lines.
    """

    def __init__(self) -> None:
        self.start: records.RunStart | None = None
        self.end: records.RunEnd | None = None
        self.lanes: dict[int, records.Lane] = {}
        self.phases: dict[int, records.Phase] = {}
        self.counters: records.Counters | None = None
        self.newest: records.Call | None = None
        self.newest_slice: records.Slice | None = None
        self.phase: tuple[int, int] | None = None
        self.open_calls: deque[records.OpenCall] = deque(maxlen=MOST_LISTED)
        self.rows: deque[records.Call] = deque(maxlen=RECENT_ROWS)
        self.slices: deque[records.Slice] = deque(maxlen=RECENT_SLICES)
        self.steps, self.latencies, self.resident = Series(), Series(), Series()
        self.machines: list[records.Machine] = []
        self.conserved, self.temperatures, self.state_steps = Series(), Series(), Series()
        self.state: records.State | None = None
        self.broken: records.State | None = None
        self.findings: dict[str, records.Finding] = {}
        self.notices: deque[records.Notice] = deque(maxlen=MOST_LISTED)
        self.seen = 0
        self._decode = decoder(_Read).decode
        self._takers: dict[type, Callable[[Any], None]] = {
            records.Call: self._take_call,
            records.Slice: self._take_slice,
            records.OpenCall: self.open_calls.append,
            records.State: self._take_state,
            records.Machine: self._take_machine,
            records.Lane: self._take_lane,
            records.Phase: self._take_phase,
            records.Finding: self._take_finding,
            records.Notice: self._take_notice,
            records.Tally: lambda tally: self._count(tally.counters),
            records.RunEnd: self._take_end,
        }

    def add(self, lines: Iterable[bytes]) -> None:
        """Take lines of the journal or of its black box; others, and damaged ones, are left out.

        Raises:
            JournalReadError: The journal needs a newer version.
        """
        for line in lines:
            record = self._decoded(line)
            if record is not None:
                self.seen += 1
                self._takers[type(record)](record)
            elif self.start is None or line.startswith(START):
                self._begin(line)

    def _decoded(self, line: bytes) -> Any | None:
        try:
            return self._decode(line)
        except UNDECODABLE:
            return None

    def _begin(self, line: bytes) -> None:
        """Take a first record; that of another run is left out."""
        try:
            found = decode_start(line, "line 1")
        except UNDECODABLE:
            return
        except JournalReadError:
            if self.seen:
                return
            raise
        self.seen += 1
        self.start = self.start or found

    def _take_lane(self, lane: records.Lane) -> None:
        if len(self.lanes) < MOST_LISTED:
            if isinstance(lane.model, dict):
                lane.model = tame(lane.model)
            self.lanes[lane.lane] = lane

    def _take_finding(self, finding: records.Finding) -> None:
        if len(self.findings) < MOST_LISTED:
            self.findings.setdefault(finding.rule, finding)

    def _take_notice(self, notice: records.Notice) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def _take_end(self, end: records.RunEnd) -> None:
        if self.start is None or end.run_id in {UNSET, self.start.run_id}:
            self.end = end
            self._count(end.counters)

    def _count(self, counters: records.Counters) -> None:
        if self.counters is None or counters.calls >= self.counters.calls:
            self.counters = counters

    def _take_call(self, row: records.Call) -> None:
        end = row.start_ns + row.wall_ns
        if self.newest is None or end >= end_of(self.newest):
            self.newest = row
        if isinstance(row.phase, int):
            self._note_phase(row.phase, end)
        if isinstance(row.rss_bytes, int):
            self.resident.add(end, row.rss_bytes)
        if isinstance(row.parent, int):
            return
        if isinstance(row.step, int):
            self.steps.add(end, row.step)
        if row.failure or isinstance(row.window, int) or row.profiled is True:
            return
        # Of a thinned journal only the slow calls are rows; its slices have the usual latency.
        if row.sliced is not True:
            self.latencies.add(end, row.wall_ns)
            if not self.rows or end >= end_of(self.rows[-1]):
                self.rows.append(row)

    def _take_slice(self, sums: records.Slice) -> None:
        if self.newest_slice is None or sums.end_ns >= self.newest_slice.end_ns:
            self.newest_slice = sums
            self.slices.append(sums)
        if isinstance(sums.phase, int):
            self._note_phase(sums.phase, sums.end_ns)
        if isinstance(sums.last_step, int):
            self.steps.add(sums.end_ns, sums.last_step)
        timed = sums.calls - sums.failed
        if timed > 0:
            self.latencies.add(sums.end_ns, sums.wall_ns / timed)

    def _note_phase(self, number: int, at_ns: int) -> None:
        if self.phase is None or at_ns >= self.phase[1]:
            self.phase = (number, at_ns)

    def _take_phase(self, phase: records.Phase) -> None:
        if len(self.phases) >= MOST_LISTED:
            del self.phases[min(self.phases)]
        self.phases[phase.phase] = phase

    def _take_state(self, state: records.State) -> None:
        if self.state is None or state.index >= self.state.index:
            self.state = state
        if state.non_finite and (self.broken is None or state.index < self.broken.index):
            self.broken = state
        if isinstance(state.step, int):
            self.state_steps.add(state.index, state.step)
        if isinstance(state.conserved_ev, float):
            self.conserved.add(state.index, state.conserved_ev)
        if isinstance(state.temperature_k, float):
            self.temperatures.add(state.index, state.temperature_k)

    def _take_machine(self, machine: records.Machine) -> None:
        if isinstance(machine.rss_bytes, int):
            self.resident.add(machine.time_ns, machine.rss_bytes)
        known = [*self.machines[:1], *self.machines[-1:], machine]
        self.machines = [min(known, key=time_of), max(known, key=time_of)]


def end_of(row: records.Call) -> int:
    """Return when a call ended, ns on the run's clock."""
    return row.start_ns + row.wall_ns


def time_of(machine: records.Machine) -> int:
    """Return when the machine was read, ns on the run's clock."""
    return machine.time_ns
