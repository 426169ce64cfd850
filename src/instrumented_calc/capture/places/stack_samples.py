"""Samples the stacks of the threads that calculate, from the journal's thread.

Each sample stands for the time since the last one. At an instant with open calls, this time is divided among
the threads with such a call, so that the sums are comparable with the wall time; with none open, it is that
of the thread that owns the run. Time after the last call of a run does not belong to it, as in the rest of
the report: samples without a call wait until another call begins.

A thread is only seen where it releases the interpreter's lock, by itself or when asked to: at once where
switches are prompt (`prompt_switches`), else after the switch interval of 5 ms. A sample that waited for less
than that interval may show a later place than that where the thread was when the sample was due. Whether a
call was open at that moment is known exactly: if this has changed since, the place counts as not seen.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from instrumented_calc.capture.open_calls import open_entries
from instrumented_calc.capture.places.prompt_switches import usual_interval
from instrumented_calc.capture.places.reduced_stack import StackReducer
from instrumented_calc.capture.places.sample_table import SampleTable, StackKey
from instrumented_calc.capture.thread_stacks import all_stacks
from instrumented_calc.journal.vocabulary import BETWEEN, CALCULATOR, UNSEEN

if TYPE_CHECKING:
    from types import FrameType

    from instrumented_calc.capture.rows.row_maker import RowMaker
    from instrumented_calc.journal.records import Places

FIRST_RECORD_NS = 2_000_000_000  # then at doubling distances
SMALLEST_RECORD, LARGEST_RECORD = 4_000, 64_000  # bytes
RECORD_SHARE = 256  # divisor: part of `max_journal` for one record
SAMPLES_SHARE = 0.1  # part of the overhead budget
# CPU time for samples beside that part, once: a run of a few seconds would have two or three otherwise, as a
# sample takes 0.05 to 0.9 ms, the first ones longest.
START_NS = 10_000_000
SWITCH_SHARE = 0.9  # of the switch interval: a longer wait ended because the other thread was asked
UNSEEN_CALL = StackKey(UNSEEN, CALCULATOR)
UNSEEN_BETWEEN = StackKey("", BETWEEN)
# The innermost frames of a pool's thread without work: the main thread then waits for, or prepares, the next.
POOLS = "concurrent/futures/thread.py", "multiprocessing/pool.py", "queue.py"


class StackSamples:
    """The sampled stacks of one run.

    Args:
        maker: Makes the run's rows.
        origin: The clock at the start of the run, in ns.
        budget: Share of the wall time that the recorder may use.
        max_journal: Size of the journal in bytes.
        owner: Identifier of the thread that owns the run.
    """

    def __init__(self, maker: RowMaker, origin: int, *, budget: float, max_journal: int, owner: int) -> None:
        self._maker = maker
        self._origin = origin
        self._share = SAMPLES_SHARE * budget
        self._most_bytes = min(max(max_journal // RECORD_SHARE, SMALLEST_RECORD), LARGEST_RECORD)
        self._owner = owner
        self._reducer = StackReducer()
        self._table = SampleTable()
        self._waiting = SampleTable()  # samples since the last call
        self._waiting_since = 0  # when that call ended
        self._last = self._due = origin
        self._spent_ns = 0
        self._next_record = origin + FIRST_RECORD_NS

    def look(self, now: int, late_ns: int = 0) -> None:
        """Take a sample, if one is due.

        Args:
            now: The run's clock, in ns.
            late_ns: How long this thread had to wait, mostly for the interpreter's lock.
        """
        if now < self._due or not self._share:
            return
        began = time.thread_time_ns()
        waited = late_ns < SWITCH_SHARE * usual_interval() * 1e9
        self._sample(now - self._last, now - late_ns if waited else now)
        self._last = now
        self._spent_ns += time.thread_time_ns() - began
        self._due = self._origin + int((self._spent_ns - START_NS) / self._share)

    def record(self, now: int, *, last: bool = False) -> Places | None:
        """Return the record of all samples so far, if it is due.

        Args:
            now: The run's clock, in ns.
            last: Whether the run ends.
        """
        if not self._table.samples or not (last or now >= self._next_record):
            return None
        self._next_record = now + (now - self._origin)
        return self._table.record(now - self._origin, self._most_bytes)

    def _sample(self, elapsed: int, moment: int) -> None:
        """Add a sample that stands for `elapsed` ns, of what ran at a moment on the clock."""
        maker, reduced = self._maker, self._reducer.reduced
        stacks = all_stacks()
        calculating = [(thread, entries) for thread, entries in open_entries(maker) if thread in stacks]
        last_end = maker.last_end
        if calculating or last_end != self._waiting_since:
            self._table.take(self._waiting)
            self._waiting_since = last_end
        if not calculating:
            stack = reduced(stacks.get(self._thread_to_show(stacks)), calculates=False)
            self._waiting.add(UNSEEN_CALL if last_end > moment else StackKey("", *stack), elapsed)
            return
        if len(calculating) == 1:
            self._owner = calculating[0][0]
        for thread, entries in calculating:
            if entries[0].start <= moment:
                key = StackKey(entries[-1].name, *reduced(stacks[thread], calculates=True))
            else:
                key = UNSEEN_CALL if last_end > moment else UNSEEN_BETWEEN
            self._table.add(key, elapsed // len(calculating))

    def _thread_to_show(self, stacks: dict[int, FrameType]) -> int:
        """Return the thread that the time between calls belongs to."""
        frame = stacks.get(self._owner)
        if frame is None or frame.f_code.co_filename.replace("\\", "/").endswith(POOLS):
            return threading.main_thread().ident or 0
        return self._owner
