"""Makes one row per real `calculate()`: the hot path.

The contract of `RowMaker.finish`: it runs in the calling thread after the call has ended, with the call's
entry off the stack. It reads the driver's step, the results and the atoms; it runs no code of the calculator
and never waits for a device. It counts the call, clears `entry.start` and appends one `Call` to the outbox,
in this order; while `entry.start` is set, `finish_plainly` can still make the row in its place. All other
work (carried fields, thinning, encoding, writing) is done by the outbox, in batches.

Cold code is slow code: work that most calls do not need is in separate methods, and in files of its own
beside this one.
"""

from __future__ import annotations

import itertools
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.calls.answers import is_answer
from instrumented_calc.capture.calls.context import Context
from instrumented_calc.capture.counting.table import SignatureTable
from instrumented_calc.capture.rows.closer_look import CloserLook
from instrumented_calc.capture.rows.descriptions import Descriptions
from instrumented_calc.capture.rows.finite_results import HostNumbers
from instrumented_calc.capture.rows.keeping_up import KeepingUp
from instrumented_calc.capture.rows.phases import Phases
from instrumented_calc.capture.rows.planned_calls import PlannedCalls
from instrumented_calc.capture.rows.quick_check import quick_check
from instrumented_calc.capture.rows.repeated_geometries import RepeatedGeometries
from instrumented_calc.capture.rows.request_text import plain_text
from instrumented_calc.capture.rows.sampler import Sampler
from instrumented_calc.capture.rows.velocity_changes import note_momentum
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.records import Call
from instrumented_calc.journal.vocabulary import NOT_IMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.probes import Probe
    from instrumented_calc.capture.rows.outbox import Outbox
    from instrumented_calc.journal.records import Counters

WRITE_AT_ONCE_NS = 10_000_000  # a call that ends this long after the previous one writes its row itself
LOOK_EVERY_NS = 50_000_000  # how often calls check that the journal's thread keeps up
LONGEST_ROW_NS = 20_000  # upper limit of a plain row's cost; beyond it the thread waited for the interpreter


class RowMaker(PlannedCalls):
    """Makes the rows of one run.

    Args:
        outbox: Destination of the rows.
        clock: The run's clock, in ns.
        origin: The clock at the start of the run.
        counters: The run's counters.
        notices: The run's notices.
        budget: Share of the wall time that may be used before samples become rarer.
        direct: Whether calls may write; see `KeepingUp`.

    Attributes:
        clock: The run's clock.
        next_index: Returns per call's number.
        append: Adds a record to the outbox.
        self_ns: The recorder's own time so far.
        calculated_ns: Sum of the calls' durations so far.
        observers_ns: Time in observers since the last row.
        last_end: When the last call ended, on the clock.
        descriptions: The records of lanes and phases.
        phases: Finds the drivers.
        signatures: Counts of contractions inside calls.
        keeping_up: Writes rows from calls.
        closer_look: Looks closer at few calls.
        live: Evidence for findings during the run.
    """

    # Beyond 30 attributes CPython stops sharing keys: without slots each access would be a search.
    __slots__ = (
        "_at_next_call",
        "_counters",
        "_geometries",
        "_last_row",
        "_next_look",
        "_number",
        "_numpy_floats",
        "_origin",
        "_quick_check",
        "_sampler",
        "append",
        "calculated_ns",
        "clock",
        "closer_look",
        "descriptions",
        "keeping_up",
        "last_end",
        "live",
        "next_index",
        "observers_ns",
        "phases",
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
        super().__init__()
        self.clock = clock
        self.next_index = itertools.count().__next__
        self.append: Callable[[Any], object] = outbox.rows.append
        self.self_ns = self.calculated_ns = self.observers_ns = 0
        self.signatures = SignatureTable()
        self.keeping_up = KeepingUp(outbox, direct=direct)
        self.last_end = self._last_row = self._next_look = 0
        self._at_next_call: Callable[[], None] | None = None
        self._origin = origin
        self._counters = counters
        self._number = HostNumbers()
        self._numpy_floats = self._number.numpy_floats
        self._geometries = RepeatedGeometries(clock)
        self.descriptions = Descriptions(self.append, notices, self._geometries.invite)
        self.phases = Phases(self.descriptions.write, on_repeated_step=self._geometries.invite)
        self._sampler = Sampler(clock, origin, notices, budget)
        self.live = self._sampler.live
        self._quick_check = quick_check()
        self.closer_look = CloserLook(clock, self._sampler, self.append)

    def begin(self, probes: tuple[Probe, ...], start_cost: int) -> None:
        """Start sampling.

        Args:
            probes: Readers of the process and its devices.
            start_cost: Cost of the start in ns, counted as ours but not against the budget.
        """
        self._sampler.begin(probes)
        self._quick_check = quick_check()  # numpy is loaded by now
        self.charge(start_cost)

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

    def revive(self, at_next_call: Callable[[], None]) -> None:
        """Have a task done at the next call."""
        self._at_next_call = at_next_call
        self._next_look = 0

    def finish(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - the hot path: no call is spent on structure
        self,
        lane: LiveLane,
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
                driver = self.phases.look(watch, None, entry.index, end - start)
                if driver is not None:
                    step = watch.last_step = driver.nsteps
        else:
            step = driver.nsteps
            if step == watch.last_step or step >= watch.until:
                driver = self.phases.look(watch, driver, entry.index, end - start)
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
            context = self.descriptions.new_context(lane, atoms, n_atoms, properties, changes)
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
                closer = False
                squares = unset
                forces = results.get("forces")
                if end >= lane.look_after:
                    squares, closer = self._quick_check(lane, entry.index, end, forces, atoms)
                elif forces is not None:
                    lane.unchecked += 1
                    lane.unseen = entry.index
                if energy != lane.last_energy:
                    lane.last_energy = energy
                # Without ASE's list of changes, the positions at the states tell whether atoms have moved.
                elif energy is not unset and (
                    changes is None or (type(changes) is list and "positions" in changes)
                ):
                    closer = lane.same_energy.add(entry.index, lane.calls) or closer
                if lane.verlet == watch.phase and driver is not None and changes:
                    note_momentum(lane, atoms, driver, forces, step)
                if self._geometries.left and not stack:
                    self._geometries.note(lane, entry, atoms, energy)
                if (
                    closer
                    or lane.calls >= lane.look_at
                    or (energy is not unset and energy - energy)  # 0.0, or NaN if not finite
                ):
                    if began is None:
                        began = thread_time_ns()
                    look = self.closer_look.look
                    look(lane, entry.index, results, end, energy, squares, atoms, driver)
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
        self, row: Call, lane: LiveLane, entry: Entry, end: int, results: Any, atoms: Any, driver: Any
    ) -> None:
        """Append the row of a call for which a look is due, or that ended long after the previous one."""
        if end >= self._next_look:
            at_next_call, self._at_next_call = self._at_next_call, None
            if at_next_call is not None:
                at_next_call()
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
        self.keeping_up.look(end, slow=end - self._last_row >= WRITE_AT_ONCE_NS)
        self._last_row = end

    def finish_plainly(  # noqa: PLR0913, PLR0917 - the data of a call
        self,
        lane: LiveLane,
        entry: Entry,
        stack: list[Entry],
        start: int,
        end: int,
        failure: BaseException | None,
    ) -> None:
        """Make a row of the certain facts, if `finish` was interrupted or failed; arguments as there."""
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

    def _note_failure(self, row: Call, lane: LiveLane, failure: BaseException) -> None:
        if is_answer(failure):
            row.failure = NOT_IMPLEMENTED
            return
        row.failure = plain_text(type(failure).__qualname__)
        lane.failed += 1
        self._counters.failed += 1


def _length(atoms: Any) -> int | None:
    """Return the number of atoms, or None if it cannot be determined."""
    try:
        return len(atoms)
    except Exception as error:
        if is_foreign(error):
            raise
        return None
