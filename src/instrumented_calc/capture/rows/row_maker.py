"""Makes one row per real `calculate()`: the hot path.

The contract of `RowMaker.finish`: it runs in the calling thread after the call has ended, with the call's
entry off the stack. It reads the driver's step, the results and the atoms; it runs no code of the calculator
and never waits for a device. It counts the call, clears `entry.start` and appends one `Call` to the outbox,
in this order; while `entry.start` is set, `finish_plainly` can still make the row in its place. All other
work (carried fields, thinning, encoding, writing) is done by the outbox, in batches.

Cold code is slow code: work that most calls do not need is in separate methods, and in `Sampler`,
`ResultChecks` and `Phases`.
"""

from __future__ import annotations

import itertools
import threading
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.calls.answers import is_answer
from instrumented_calc.capture.calls.context import Context
from instrumented_calc.capture.counting.table import SignatureTable
from instrumented_calc.capture.rows.finite_results import HostNumbers, positions_of, sums_of_squares
from instrumented_calc.capture.rows.outbox import CROWD
from instrumented_calc.capture.rows.phases import DESCRIBED_LIMIT, Phases
from instrumented_calc.capture.rows.repeated_geometries import RepeatedGeometries
from instrumented_calc.capture.rows.request_text import plain_names, plain_text
from instrumented_calc.capture.rows.result_checks import CHECK_EVERY_NS, ResultChecks
from instrumented_calc.capture.rows.sampler import Sampler
from instrumented_calc.capture.rows.whose_atoms import results_are_of
from instrumented_calc.capture.rows.zero_forces import note_zero_forces
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.records import Call
from instrumented_calc.journal.vocabulary import NOT_IMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instrumented_calc.capture.calls.driver import DriverWatch
    from instrumented_calc.capture.calls.lane import Lane
    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.probes import Probe
    from instrumented_calc.capture.rows.outbox import Outbox
    from instrumented_calc.journal.records import Counters

WRITE_AT_ONCE_NS = 10_000_000  # a call that ends this long after the previous one writes its row itself
LOOK_EVERY_NS = 50_000_000  # how often calls check that the journal's thread keeps up
CROWDED = 1000  # waiting rows; a call then writes them itself
LATE_NS = 150_000_000  # age of waiting rows: the thread, which writes every 100 ms, has missed its time
PATIENCE_S = 1.0  # if the thread takes longer for a write, the file system is assumed to hang
MOST_SUMMED = (
    9_000  # numbers whose squares are summed at each call: 1 us; above 10,000 OpenBLAS starts threads
)
INFINITE = float("inf")
LONGEST_ROW_NS = 20_000  # upper limit of a plain row's cost; beyond it the thread waited for the interpreter


class RowMaker:
    """Makes the rows of one run.

    Args:
        outbox: Destination of the rows.
        clock: The run's clock, in ns.
        origin: The clock at the start of the run.
        counters: The run's counters.
        notices: The run's notices.
        budget: Share of the wall time that may be used before samples become rarer.
        direct: Whether calls may write.

    Attributes:
        clock: The run's clock.
        next_index: Returns per call's number.
        append: Adds a record to the outbox.
        direct: Whether calls may write.
        self_ns: The recorder's own time so far.
        calculated_ns: Sum of the calls' durations so far.
        observers_ns: Time in observers since the last row.
        last_end: When the last call ended, on the clock.
        descriptions: The `lane` and `phase` records so far.
        signatures: Counts of contractions inside calls.
        live: Evidence for findings during the run.
        attend_at: The smaller of the following two: what every call compares its number with.
        trace_at: Number of the call from which on a trace window is due or open; None if none is.
        profile_at: Number of the call from which on a step profile is due or open; None if none is.
    """

    # Beyond 30 attributes CPython stops sharing keys: without slots each access would be a search.
    __slots__ = (
        "_array",
        "_at_next_call",
        "_counters",
        "_described",
        "_double",
        "_geometries",
        "_last_row",
        "_next_look",
        "_notices",
        "_number",
        "_numpy_floats",
        "_origin",
        "_outbox",
        "_phases",
        "_planning",
        "_profile_at",
        "_result_checks",
        "_sampler",
        "_single",
        "_squares",
        "_stuck",
        "_trace_at",
        "append",
        "attend_at",
        "calculated_ns",
        "clock",
        "descriptions",
        "direct",
        "last_end",
        "live",
        "next_index",
        "observers_ns",
        "self_ns",
        "signatures",
    )

    def __init__(  # noqa: PLR0913 - the parts of a run
        self,
        outbox: Outbox,
        *,
        clock: Callable[[], int],
        origin: int,
        counters: Counters,
        notices: Notices,
        budget: float,
        direct: bool,
    ) -> None:
        self.clock = clock
        self.next_index = itertools.count().__next__
        self.append: Callable[[Any], object] = outbox.rows.append
        self.direct = direct
        self.self_ns = 0
        self.calculated_ns = 0
        self.observers_ns = 0
        self.descriptions: list[Any] = []
        self.signatures = SignatureTable()
        self.attend_at: int | None = None
        self._trace_at: int | None = None
        self._profile_at: int | None = None
        self._planning = threading.RLock()
        self._outbox = outbox
        self._origin = origin
        self._counters = counters
        self._notices = notices
        self._at_next_call: Callable[[], None] | None = None
        self.last_end = self._last_row = self._next_look = 0
        self._stuck = False  # waiting for the journal's thread was in vain
        self._number = HostNumbers()
        self._numpy_floats = self._number.numpy_floats
        self._array: Any = None
        self._double: Any = None
        self._single: Any = None
        self._squares: Any = None
        self._described: set[int] = set()
        self._phases = Phases()
        self._result_checks = ResultChecks(clock)
        self._geometries = RepeatedGeometries(clock)
        self._sampler = Sampler(clock, origin, notices, budget)
        self.live = self._sampler.live

    def begin(self, probes: tuple[Probe, ...], start_cost: int) -> None:
        """Start sampling.

        Args:
            probes: Readers of the process and its devices.
            start_cost: Cost of the start in ns, counted as ours but not against the budget.
        """
        self._sampler.begin(probes)
        self._array, self._double, self._single, self._squares = sums_of_squares()
        self.charge(start_cost)

    @property
    def trace_at(self) -> int | None:
        """Number of the call from which on a trace window is due or open; None if none is."""
        return self._trace_at

    @trace_at.setter
    def trace_at(self, index: int | None) -> None:
        with self._planning:
            self._trace_at = index
            self._attend()

    @property
    def profile_at(self) -> int | None:
        """Number of the call from which on a step profile is due or open; None if none is."""
        return self._profile_at

    @profile_at.setter
    def profile_at(self, index: int | None) -> None:
        with self._planning:
            self._profile_at = index
            self._attend()

    def _attend(self) -> None:
        due = [index for index in (self._trace_at, self._profile_at) if index is not None]
        self.attend_at = min(due, default=None)

    def charge(self, spent: int) -> None:
        """Add the cost of a window or step profile in ns, counted as ours but not against the budget."""
        self.self_ns += spent
        self.excuse(spent)

    def excuse(self, spent: int) -> None:
        """Exempt this time of ours, in ns, from the sampling budget."""
        self._sampler.excuse(spent)

    def sample_next(self) -> None:
        """Sample at the next call, because something has just changed."""
        self._next_look = self._sampler.due = 0

    def finish(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - the hot path: no call is spent on structure
        self,
        lane: Lane,
        entry: Entry,
        stack: list[Entry],
        atoms: Any,
        properties: Any,
        changes: Any,
        start: int,
        end: int,
        returned: Any,
        failure: BaseException | None,
    ) -> None:
        """Make the row of a call that has ended.

        Args:
            lane: The wrapped calculator's lane.
            entry: The call's entry, already removed from the thread's stack.
            stack: The thread's stack.
            atoms: The calculated atoms, or None if not given.
            properties: The requested properties, or None.
            changes: The call's `system_changes`, or None.
            start: Start of the call, in ns of the clock.
            end: End of the call.
            returned: Its return value.
            failure: The exception that ended it.
        """
        # Slow calls are sampled or written: there the recorder's cost is measured by the thread's CPU time.
        unset: Any = UNSET  # a local is read faster
        began: int | None = None
        if end >= self._next_look or end - self._last_row >= WRITE_AT_ONCE_NS:
            began = thread_time_ns()
        if atoms is None:
            atoms = lane.stored("atoms")
        watch = lane.watch
        reference = watch.reference  # a local is called faster than a slot
        driver = reference()
        step = unset
        if driver is None:
            watch.countdown -= 1
            if watch.countdown <= 0:
                driver = self._look_for_driver(watch, None, entry.index, end - start)
                if driver is not None:
                    step = watch.last_step = driver.nsteps
        else:
            step = driver.nsteps
            if step == watch.last_step or step >= watch.until:
                driver = self._look_for_driver(watch, driver, entry.index, end - start)
                step = driver.nsteps
            watch.last_step = step
        context = lane.context
        try:
            n_atoms = None if atoms is None else len(atoms)
            if context is not None and (
                changes != context.changes
                or n_atoms != context.n_atoms
                or properties != context.properties
                or watch.phase is not context.phase
            ):
                context = None
        except Exception as error:  # not an Atoms, or arrays instead of names
            if is_foreign(error):
                raise
            n_atoms, context = _length(atoms), None
        if context is None:
            context = self._new_context(lane, atoms, n_atoms, properties, changes)
        energy = unset
        results = None
        if failure is None:
            held = lane.held
            results = lane.stored("results") if held is None else held.get("results")
            if type(results) is not dict:
                results = lane.results(results, properties, returned)
            if results:
                lane.last_call = entry.index
                energy = results.get("energy", unset)
                if type(energy) is not float and energy is not unset:
                    energy = float(energy) if type(energy) in self._numpy_floats else self._number(energy)
                same = closer = False
                if energy != lane.last_energy:
                    lane.last_energy = energy
                elif energy is not unset:
                    same = self._result_checks.note_same_energy(lane, changes)
                squares: Any = unset
                forces: Any = results.get("forces")
                if end >= lane.look_after:
                    array, double = self._array, self._double
                    if (
                        type(forces) is array
                        and (forces.dtype is double or forces.dtype is self._single)
                        and forces.size <= MOST_SUMMED
                    ):
                        squares = self._squares(forces, forces)
                        closer = not squares <= lane.force_limit  # a NaN is not
                        if not squares:
                            same = note_zero_forces(lane) or same
                    else:
                        closer = forces is not None
                    if atoms is not None and not closer:
                        try:
                            places = atoms.arrays["positions"]
                            if (
                                type(places) is array
                                and places.dtype is double
                                and places.size <= MOST_SUMMED
                            ):
                                closer = not self._squares(places, places) < INFINITE
                        except Exception as error:  # not an Atoms
                            if is_foreign(error):
                                raise
                    lane.look_after = end + CHECK_EVERY_NS if squares else end
                elif forces is not None:
                    lane.unchecked += 1
                    lane.unseen = entry.index
                if lane.verlet == watch.phase and driver is not None and changes:
                    self._result_checks.note_momentum(lane, atoms, driver, forces, step)
                if self._geometries.left and not stack:
                    self._geometries.note(lane, entry, atoms, energy)
                if (
                    closer
                    or same
                    or lane.calls >= lane.look_at
                    or (energy is not unset and energy - energy)  # 0.0, or NaN if not finite
                ):
                    if began is None:
                        began = thread_time_ns()
                    self._look_closer(lane, entry.index, results, end, energy, squares, atoms, driver, same)
        parent = unset
        gap = unset
        wall = end - start
        if stack:
            parent = self._inside(stack, wall)
        if parent is unset:
            before = self.last_end
            if start >= before:
                if before:
                    gap = start - before
                self.last_end = end
            elif end > before:
                self.last_end = end
            self.calculated_ns += wall
        row = Call(
            entry.index,
            context,  # type: ignore[arg-type]  # the outbox replaces it by the carried fields
            unset,
            parent,
            start - self._origin,
            wall,
            gap,
            unset,
            unset,
            unset,
            step,
            entry.components,
            unset,
            energy,
        )
        if failure is not None:
            self._note_failure(row, lane, failure)
        if entry.extras is not unset:
            for field, value in entry.extras.items():
                setattr(row, field, value)
            if row.compile_ns is not unset:
                self.live.compiles(row.index)
        if self.observers_ns and parent is unset:
            row.observers_ns, self.observers_ns = self.observers_ns, 0
        if began is not None:
            self._sample_and_write(row, lane, entry, end, results, atoms, driver)
            self.self_ns += thread_time_ns() - began
            return
        lane.calls += 1
        entry.start = 0  # the row is in the outbox
        append, clock = self.append, self.clock
        append(row)
        self._last_row = end
        spent = clock() - end  # the thread's CPU clock costs as much as the row
        self.self_ns += spent if spent < LONGEST_ROW_NS else LONGEST_ROW_NS  # noqa: FURB136 - a call

    def _sample_and_write(  # noqa: PLR0913, PLR0917 - the data of a call
        self, row: Call, lane: Lane, entry: Entry, end: int, results: Any, atoms: Any, driver: Any
    ) -> None:
        """Append the row of a call for which a look is due, or that ended long after the previous one."""
        if end >= self._next_look:
            self._do_before_look()
            self._geometries.reopen(end)
            sampler = self._sampler
            if end >= sampler.due:
                sampler.sample(row, end, self.self_ns)
                state = sampler.state(row.index, end, results, atoms, driver, row.energy_ev, lane)
                if state is not None:
                    self.append(state)
            self._next_look = min(sampler.due, end + LOOK_EVERY_NS)
            if self._at_next_call is not None:  # another thread has forked since
                self._next_look = 0
        lane.calls += 1
        entry.start = 0  # the row is in the outbox
        self.append(row)
        self._write(end)
        self._last_row = end

    def finish_plainly(  # noqa: PLR0913, PLR0917 - the data of a call
        self,
        lane: Lane,
        entry: Entry,
        stack: list[Entry],
        start: int,
        end: int,
        failure: BaseException | None,
    ) -> None:
        """Make a row of the certain facts, if `finish` was interrupted or failed.

        Args:
            lane: The wrapped calculator's lane.
            entry: The call's entry.
            stack: The thread's stack.
            start: Start of the call, in ns of the clock.
            end: End of the call.
            failure: The exception that ended it.
        """
        context: Any = Context(lane.number, lane.watch.phase, None, None, None)
        row = Call(entry.index, context, start_ns=start - self._origin, wall_ns=end - start)
        row.parent = next((outer.index for outer in reversed(stack) if outer.maker is self), UNSET)
        if row.parent is UNSET and end > self.last_end:
            self.last_end = end
            self.calculated_ns += end - start
        if failure is not None:
            self._note_failure(row, lane, failure)
        lane.context = None
        lane.calls += 1
        entry.start = 0
        self.append(row)

    def _inside(self, stack: list[Entry], wall: int) -> Any:
        """Return the index of the enclosing recorded call of this run."""
        stack[-1].inside_ns += wall
        for outer in reversed(stack):
            if outer.maker is self:
                self._counters.nested += 1
                return outer.index
        return UNSET

    # -- periodic work ---------------------------------------------------------------------------------

    def _new_context(
        self, lane: Lane, atoms: Any, n_atoms: int | None, properties: Any, changes: Any
    ) -> Context:
        if lane.described_in is not self._described:
            self._describe_lane(lane, atoms)
        lane.context = context = Context(
            lane.number, lane.watch.phase, n_atoms, plain_names(properties), plain_names(changes)
        )
        return context

    def _note_failure(self, row: Call, lane: Lane, failure: BaseException) -> None:
        if is_answer(failure):
            row.failure = NOT_IMPLEMENTED
            return
        row.failure = plain_text(type(failure).__qualname__)
        lane.failed += 1
        self._counters.failed += 1

    def revive(self, at_next_call: Callable[[], None]) -> None:
        """Have a task done at the next call."""
        self._at_next_call = at_next_call
        self._next_look = 0

    def _do_before_look(self) -> None:
        at_next_call, self._at_next_call = self._at_next_call, None
        if at_next_call is not None:
            at_next_call()

    def _write(self, end: int) -> None:
        """Write the waiting rows after a slow call, and if the journal's thread does not keep up.

        Only that thread writes to a network file system. There, and where a write hangs, rows that have
        become too many are encoded to take less memory.
        """
        outbox = self._outbox
        waiting = len(outbox.rows)
        if self.direct:
            urgent = end - self._last_row >= WRITE_AT_ONCE_NS or end - outbox.written_until > LATE_NS
            if not urgent and waiting <= CROWDED:
                return
            # The thread may hold the lock without running: on a loaded machine, it runs once this one waits.
            patience = PATIENCE_S if urgent and not self._stuck else 0
            if outbox.drain(timeout=patience):
                self._stuck = False
                return
            self._stuck = self._stuck or patience > 0
        if waiting > CROWD:
            outbox.relieve()

    def _look_closer(  # noqa: PLR0913, PLR0917 - the data of a call
        self,
        lane: Lane,
        index: int,
        results: dict[str, Any],
        end: int,
        energy: Any,
        squares: Any,
        atoms: Any,
        driver: Any,
        same: bool,
    ) -> None:
        """Check the results of a call in full, and read the state if it is worth a record."""
        checks = self._result_checks
        record = checks.check(lane, index, results, end, energy, positions_of(atoms))
        if lane.not_finite or squares == 0:  # as long as it lasts, all calls are checked
            lane.look_after = end
        elif squares is not UNSET:  # the next check is as cheap as all before
            lane.look_after = end + CHECK_EVERY_NS
        if record is not None:
            self.append(record)
        if checks.wants_state(lane, squares) or same:
            state = self._sampler.read_now(index, end, results, atoms, driver, energy, lane)
            self.append(state)

    def look_at_last(self, lanes: Iterable[Lane]) -> None:
        """At the end of the run, check the forces of each lane's last call, and read its last state."""
        for lane in lanes:
            for record in self._result_checks.check_last(lane, self.last_end):
                self.append(record)
            results = lane.stored("results")
            if lane.calls and type(results) is dict:
                driver = lane.watch.reference()
                atoms = getattr(driver, "atoms", None)
                if positions_of(atoms) is None:  # an optimizer may hold a filter or a band
                    atoms = lane.stored("atoms")
                elif not results_are_of(lane, atoms):
                    continue
                end, last = self.last_end, lane.last_call
                self.append(self._sampler.read_now(last, end, results, atoms, driver, UNSET, lane))

    def follow(self, driver: Any) -> None:
        """Set the driver that the user named, if none is found on the stack; it is held weakly."""
        self._phases.follow(driver)

    def _look_for_driver(self, watch: DriverWatch, current: Any, index: int, wall_ns: int) -> Any:
        if current is not None and current.nsteps == watch.last_step:
            self._geometries.invite()
        return self._phases.look(watch, current, index, wall_ns, self._describe)

    def _describe_lane(self, lane: Lane, atoms: Any) -> None:
        lane.described_in = self._described
        if lane.number in self._described or len(self._described) >= DESCRIBED_LIMIT:
            return
        self._described.add(lane.number)
        self._geometries.invite()
        record, troubles = lane.describe(atoms)
        self._describe(record)
        for trouble in troubles:
            self._notices.warn("integration-failed", trouble)

    def _describe(self, record: Any) -> None:
        self.descriptions.append(record)
        self.append(record)


def _length(atoms: Any) -> int | None:
    """Return the number of atoms, or None if it cannot be determined."""
    try:
        return len(atoms)
    except Exception as error:
        if is_foreign(error):
            raise
        return None
