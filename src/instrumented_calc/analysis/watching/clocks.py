"""Times of a run in progress: on its own clock, and of its last signs of life."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from instrumented_calc.analysis.watching.observed_run import end_of

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.observed_run import ObservedRun


def started(run: ObservedRun) -> float | None:
    """Return the Unix time at which the run's clock was zero, by the clock of its machine."""
    try:
        return None if run.start is None else _timestamp(run.start.started)
    except (ValueError, OverflowError, OSError):
        return None


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()  # Python 3.10 does not parse the Z


def run_clock(run: ObservedRun, now: float) -> float | None:
    """Return the present time on the run's clock, s."""
    began = started(run)
    if began is None:
        return None
    moved = run.machines[-1].clock_step_ns if run.machines else None
    return max(now - began - (moved if isinstance(moved, int) else 0) / 1e9, 0.0)


def job_left(run: ObservedRun, now: float) -> float | None:
    """Return the time until the batch system ends the job, s; None without a limit."""
    ends = run.start.environment.job_ends if run.start is not None else None
    try:
        return _timestamp(ends) - now if isinstance(ends, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def last_end(run: ObservedRun) -> int | None:
    """Return the end of the newest call, ns."""
    ends = [end_of(run.newest)] if run.newest is not None else []
    ends += [run.newest_slice.end_ns] if run.newest_slice is not None else []
    return max(ends, default=None)


def last_sign(run: ObservedRun) -> int | None:
    """Return the time of the newest record, ns on the run's clock; None if there is none."""
    times = [each.time_ns for each in run.machines[-1:]]
    times += [each.time_ns for each in list(run.open_calls)[-1:]]
    times += [run.end.time_ns] if run.end is not None else []
    last = last_end(run)
    return max([*times, *([] if last is None else [last])], default=None)
