"""Profiles about ten steps of a run: a step is from the end of one recorded call to the end of the next.

The first step is profiled once its expected cost fits a part of the overhead budget, and further ones at
doubling distances. A profile that costs more than the budget allows is given up. It belongs to one thread;
others run as always.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.capture.open_calls import extras_of
from instrumented_calc.capture.places.function_table import FunctionTable
from instrumented_calc.capture.places.step_profiler import (
    IS_HARMLESS,
    EventCost,
    StepProfiler,
    StepSums,
    is_taken,
    measured_cost,
)
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.records import StepProfiles
from instrumented_calc.journal.vocabulary import (
    INTERRUPTED,
    OVER_BUDGET,
    PROFILER_ACTIVE,
    PYTHON_TOO_OLD,
    STEP_TOO_LONG,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.open_calls import Entry
    from instrumented_calc.capture.rows.row_maker import RowMaker

PROFILE_SHARE = 0.25  # part of the overhead budget
WARM_CALLS = 10  # no profile before
START_NS = 5_000_000  # of the budget: measuring the profiler, once
HANDLING_NS = 1_000_000  # at most, of a profile, in the journal's thread
# Cost of the first profile as a part of its step; 2.5 was seen for EMT with 4 atoms. A dearer one is given
# up, and tried again when the budget has grown. Later ones: what the last one cost.
FIRST_COST = 0.5
SAFETY = 1.5  # steps vary, and functions that are seldom called cost more than those that were measured
SMALLEST_RECORD, LARGEST_RECORD = 4_000, 32_000  # bytes
RECORD_SHARE = 512  # divisor: part of `max_journal` for one record
RETRY_NS = 1_000_000_000
LONGEST_IDLE_NS, LONGEST_IDLE_STEPS = 10_000_000_000, 10
NEVER = 1 << 62


class _OpenStep(NamedTuple):
    thread: int
    profiler: StepProfiler
    began: int
    most_ns: float
    usual_ns: int


class _EndedStep(NamedTuple):
    sums: StepSums | None
    reason: str
    most_ns: float
    usual_ns: int


class StepProfiling:
    """The step profiles of one run.

    Args:
        maker: Makes the run's rows; calls compare their number with its `profile_at`.
        origin: The clock at the start of the run, in ns.
        budget: Share of the wall time that the recorder may use.
        max_journal: Size of the journal in bytes.
        fault: Counts an internal error and reports the first, given where it was.
    """

    def __init__(
        self,
        maker: RowMaker,
        origin: int,
        *,
        budget: float,
        max_journal: int,
        fault: Callable[[str, BaseException], None],
    ) -> None:
        self._maker = maker
        self._origin = origin
        self._share = PROFILE_SHARE * budget
        self._most_bytes = min(max(max_journal // RECORD_SHARE, SMALLEST_RECORD), LARGEST_RECORD)
        self._fault = fault
        self._stopped = not (self._share and IS_HARMLESS)
        self._one_at_a_time = threading.Lock()
        self._open: _OpenStep | None = None
        self._ended: deque[_EndedStep] = deque()
        self._event: EventCost | None = None  # not measured yet
        self._cost = FIRST_COST  # of a step's usual duration
        self._spent = START_NS
        self._next = origin + int(START_NS / self._share) if self._share else NEVER
        self._table = FunctionTable()
        self._steps = self._usual_ns = self._profiler_ns = 0
        self._skipped: Counter[str] = Counter()
        self._is_new = False

    # -- in the calculating thread --------------------------------------------------------------------

    def enter(self) -> bool:
        """Continue the profile of the step that an outermost call belongs to, if this thread has one.

        Returns:
            Whether `leave` must be called.
        """
        step = self._open
        if step is None or step.thread != threading.get_ident():
            return False
        try:
            step.profiler.enter_call()
        except BaseException as error:
            self._fail(error)
            if is_foreign(error):
                raise
            return False
        return True

    def leave(self, entry: Entry, *, succeeded: bool) -> None:
        """End the profile of a step, after its call and before the call's row is made.

        Args:
            entry: The call's entry.
            succeeded: Whether the call raised nothing. Steps that failed, or compiled something, differ from
                the others and are not used.
        """
        step = self._open
        try:
            extras = extras_of(entry)
            extras["profiled"] = True
            if step is None:  # the run has ended since
                return
            sums = step.profiler.stop()
            self._maker.profile_at = None
            if succeeded and "compile_ns" not in extras:
                self._ended.append(_EndedStep(sums, step.profiler.reason, step.most_ns, step.usual_ns))
            else:
                self._drop(step, RETRY_NS)
            self._forget(step)
        except BaseException as error:
            self._fail(error)
            if is_foreign(error):
                raise

    def begin(self, lane: LiveLane, entry: Entry, before: int, end: int) -> None:
        """Profile the step that begins, if it is due and the budget allows it.

        Args:
            lane: The lane of the call that has just ended.
            entry: Its entry.
            before: End of the call before it, on the clock.
            end: Its end.
        """
        event = self._event
        due = self._maker.profile_at is not None
        if self._stopped or not due or event is None or entry.index < WARM_CALLS or not before:
            return
        try:
            usual = max(end - before, 1)
            most = self._share * (end - self._origin) - self._spent - HANDLING_NS
            later = max((end - self._origin) // 4, RETRY_NS)
            if most < self._cost * usual:  # which may have been an unusually long step
                wait = int((self._cost * usual - most) / self._share) + 1
                self._put_off(min(wait, later), OVER_BUDGET)
            elif is_taken():
                self._put_off(later, PROFILER_ACTIVE)
            elif _is_last_step(lane):
                self._put_off(RETRY_NS)
            elif self._one_at_a_time.acquire(blocking=False):
                profiler = StepProfiler(int(most / (SAFETY * event.total_ns)), int(event.shown_ns))
                self._open = _OpenStep(threading.get_ident(), profiler, end, most, usual)
                profiler.start()
        except BaseException as error:
            self._fail(error)
            if is_foreign(error):
                raise

    def _fail(self, error: BaseException) -> None:
        """Profile no more steps: what failed once, or was interrupted halfway, is not reliable."""
        self.close()
        if not is_foreign(error):
            self._fault("step profiles", error)

    def _forget(self, step: _OpenStep) -> None:
        if self._open is not step:  # the other thread has forgotten it, and the next may have begun
            return
        self._open = None
        with contextlib.suppress(RuntimeError):
            self._one_at_a_time.release()

    def _drop(self, step: _OpenStep, wait_ns: int) -> None:
        """Account for a step whose profile is of no use."""
        self._spent += int(step.most_ns)
        self._put_off(wait_ns)

    def _put_off(self, wait_ns: int, reason: str = "") -> None:
        if reason:
            self._skipped[reason] += 1
        self._next = self._maker.clock() + wait_ns
        self._maker.profile_at = None

    # -- in the journal's thread ----------------------------------------------------------------------

    def beat(self, now: int) -> None:
        """Add up profiled steps, and check whether the next is due.

        Args:
            now: The run's clock, in ns.
        """
        if self._stopped:
            return
        try:
            self._look(now)
        except Exception as error:  # noqa: BLE001 - no code of the user runs here, except an audit hook
            self.close()
            self._fault("step profiles", error)

    def _look(self, now: int) -> None:
        self._add_ended(now)
        if self._open is not None:
            self._let_go_if_idle(self._open, now)
        elif now >= self._next and self._maker.profile_at is None:
            if is_taken():  # here: monitoring tools
                self._put_off(max((now - self._origin) // 4, RETRY_NS), PROFILER_ACTIVE)
                return
            self._event = self._event or measured_cost()
            if self._event is None:
                return
            self._next = NEVER
            self._maker.profile_at = WARM_CALLS

    def _add_ended(self, now: int) -> None:
        while self._ended:
            self._add(self._ended.popleft(), now)

    def _add(self, step: _EndedStep, now: int) -> None:
        began = time.thread_time_ns()
        sums = step.sums
        if sums is None:
            self._skipped[step.reason or INTERRUPTED] += 1
            cost = int(step.most_ns) if step.reason == STEP_TOO_LONG else 0
            self._cost = max(SAFETY * cost / step.usual_ns, self._cost)
        else:
            cost = sums.profiler_ns
            self._cost = SAFETY * cost / step.usual_ns
            self._table.add(sums)
            self._steps += 1
            self._usual_ns += step.usual_ns
            self._profiler_ns += cost
        self._maker.charge(cost)
        self._spent += cost + time.thread_time_ns() - began
        self._next = now + (now - self._origin)
        self._is_new = True

    def _let_go_if_idle(self, step: _OpenStep, now: int) -> None:
        """Forget a step whose thread has ended, or makes no more calls."""
        alive = any(thread.ident == step.thread for thread in threading.enumerate())
        if alive and now - step.began < LONGEST_IDLE_NS + LONGEST_IDLE_STEPS * step.usual_ns:
            return
        step.profiler.expired = True
        self._drop(step, now - self._origin)
        self._forget(step)

    def record(self, now: int, *, last: bool = False) -> StepProfiles | None:
        """Return the record of all steps so far, if there are new ones.

        Args:
            now: The run's clock, in ns.
            last: Whether the run ends; a run without profiled steps then has a record that tells why.
        """
        self._add_ended(now)
        if not self._is_new and not (last and self._share and not self._steps):
            return None
        self._is_new = False
        skipped = dict(self._skipped)
        if not self._steps and not skipped:
            skipped[OVER_BUDGET if IS_HARMLESS else PYTHON_TOO_OLD] = 1
        return StepProfiles(
            now - self._origin,
            self._steps,
            self._usual_ns,
            self._profiler_ns,
            self._table.functions(self._most_bytes),
            skipped,
        )

    # -- the end --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Profile no more, and end an open profile."""
        self.end_open()
        self._maker.profile_at = None

    def end_open(self) -> None:
        """End an open profile: at once in the thread that calls this, else at that thread's next event.

        It takes no lock: in a forked child, one may be held forever.
        """
        self._stopped = True
        step, self._open = self._open, None
        if step is None:
            return
        step.profiler.expired = True
        if step.thread == threading.get_ident():
            step.profiler.give_up()


def _is_last_step(lane: LiveLane) -> bool:
    """Return whether the driver will make no further step, so that no call would end the profile."""
    watch = lane.watch
    driver = watch.reference()
    return driver is not None and driver.nsteps + 1 >= watch.until
