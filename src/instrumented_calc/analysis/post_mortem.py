"""How a run ended, according to the evidence in the journal.

A killed process writes nothing at its end. Earlier records (the open call, memory against its limit, the
batch system's time limit) make a cause likely or possible, never certain; each cause is marked accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Machine, OpenCall

How = Literal["ended", "failed", "running", "killed", "pool", "unknown"]
Kind = Literal["memory", "oom kill", "descriptors", "disk", "time limit", "clock"]

LIKELY_MEMORY, POSSIBLE_MEMORY = 0.95, 0.85  # of the limit, at the last reading
DESCRIPTORS_LEFT = 3
ENDS_PROGRAM = ("SystemExit",)
DISK_LEFT_BYTES = 50_000_000
# Slurm sends SIGKILL 30 s after SIGTERM by default (KillWait); the last record can be up to 30 s older.
NEAR_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Cause:
    """A possible cause of a run's end.

    Attributes:
        kind: Kind of content.
        likely: Whether the evidence is strong; otherwise the cause is only possible.
        amount: Bytes, descriptors or processes; for a time limit or a clock: seconds.
        limit: The limit for the amount, if there is one.
    """

    kind: Kind
    likely: bool
    amount: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        how: `ended`, `failed` (by an exception), `running`, `killed`, `pool` (a worker, killed by its pool)
            or `unknown` (killed, or running on another machine).
        reason: `closed`, `collected`, `exit` or, in old journals, a signal; None without `run_end`.
        failure: Class of the exception.
        message: Its message.
        call: Call that was open at the last record; None if unknown.
        open_ns: Its duration up to then, ns.
        last_call: The newest call that had ended.
        step: Last known step of the driver.
        causes: Possible causes, likely ones first.
    """

    how: How
    reason: str | None = None
    failure: str | None = None
    message: str | None = None
    call: int | None = None
    open_ns: int | None = None
    last_call: int | None = None
    step: int | None = None
    causes: tuple[Cause, ...] = field(default=())


def how_it_ended(journal: Journal) -> Ending:
    """Return how a run ended.

    Args:
        journal: The run's journal, complete or truncated.
    """
    last_call, step = _newest(journal)
    end = journal.end
    if end is not None:
        failure = end.failure or (_exit_in_last_call(journal) if end.reason == "exit" else None)
        failed = bool(failure)
        return Ending(
            how="failed" if failed else "ended",
            reason=end.reason,
            failure=failure or None,
            message=end.failure_message or None,
            last_call=last_call,
            step=step,
            causes=_sorted(_exhausted(journal)) if failed else (),
        )
    how: How = "killed"
    if journal.running:
        how = "running"
    elif journal.parent_run_id:
        how = "pool"
    elif journal.running is None:
        how = "unknown"
    open_call = _open_call(journal)
    causes = [*_exhausted(journal), *_time_limit(journal), *_clock(journal)]
    return Ending(
        how=how,
        call=open_call.index if open_call else None,
        open_ns=open_call.open_ns if open_call else None,
        last_call=last_call,
        step=step,
        causes=_sorted(causes) if how in {"killed", "unknown"} else (),
    )


def _exit_in_last_call(journal: Journal) -> str | None:
    """Return the exception that left the newest call and can only have ended the program.

    Python forgets a `SystemExit`, such as `sys.exit()` in a handler of SIGTERM, before it calls its exit
    functions, so that the end of a run cannot name it. An interpreter that continues would make other calls.
    """
    calls = journal.calls
    if not len(calls.failures.rows):
        return None
    newest = int(np.argmax(calls.start_ns + calls.wall_ns.astype(np.int64)))
    failures = dict(zip(calls.failures.rows.tolist(), calls.failures.values, strict=True))
    found = failures.get(newest)
    return found if found in ENDS_PROGRAM else None


def _sorted(causes: list[Cause]) -> tuple[Cause, ...]:
    return tuple(sorted(causes, key=lambda cause: not cause.likely))


def _newest(journal: Journal) -> tuple[int | None, int | None]:
    """Return the newest call and the largest step of the last phase."""
    calls = journal.calls
    steps = [each.last_step for each in journal.slices[-1:] if isinstance(each.last_step, int)]
    if not len(calls):
        return None, max(steps, default=None)
    newest = int(np.argmax(calls.start_ns + calls.wall_ns.astype(np.int64)))
    if calls.step[newest] >= 0:
        steps.append(int(calls.step[newest]))
    return int(calls.index[newest]), steps[-1] if steps else None


def _open_call(journal: Journal) -> OpenCall | None:
    """Return the last record of a call that has no row: the innermost, if calls were nested."""
    reports = sorted(journal.open_calls, key=lambda each: (each.time_ns, each.index))
    ended = journal.calls.index
    return next((each for each in reversed(reports) if not bool((ended == each.index).any())), None)


def _last_sign_ns(journal: Journal) -> int | None:
    """Return the time of the newest record, on the run's clock."""
    calls = journal.calls
    times = [each.time_ns for each in journal.open_calls[-1:]]
    times += [each.time_ns for each in journal.machines[-1:]]
    times += [each.end_ns for each in journal.slices[-1:]]
    if len(calls):
        times.append(int((calls.start_ns + calls.wall_ns.astype(np.int64)).max()))
    return max(times, default=None)


def _exhausted(journal: Journal) -> list[Cause]:
    """Return the resources that were used up at the last reading."""
    causes = _memory(journal)
    machines = journal.machines
    if not machines:
        return causes
    last = machines[-1]
    kills = [each.oom_kills for each in machines if isinstance(each.oom_kills, int)]
    if kills and kills[-1] > kills[0]:
        causes.append(Cause("oom kill", likely=True, amount=kills[-1] - kills[0]))
    files, most = last.open_files, last.open_files_limit
    if isinstance(files, int) and isinstance(most, int) and most > 0 and files >= most - DESCRIPTORS_LEFT:
        causes.append(Cause("descriptors", likely=True, amount=files, limit=most))
    free = last.disk_free_bytes
    if isinstance(free, int) and free < DISK_LEFT_BYTES:
        causes.append(Cause("disk", likely=False, amount=free))
    return causes


def _memory(journal: Journal) -> list[Cause]:
    """Return the memory that was nearest to its limit, if it was near."""
    readings: list[tuple[float, float]] = []
    environment = journal.environment
    if journal.machines:
        readings += _readings(journal.machines[-1], environment.memory_bytes or 0)
    # Samples of calls are newer than the last machine record.
    resident = journal.calls.sparse.get("rss_bytes")
    if environment.cgroup_memory_bytes and resident is not None and len(resident):
        readings.append((float(resident.values[-1]), environment.cgroup_memory_bytes))
    used, limit = max(readings, key=lambda pair: pair[0] / pair[1], default=(0.0, 1.0))
    if used < POSSIBLE_MEMORY * limit:
        return []
    return [Cause("memory", likely=used >= LIKELY_MEMORY * limit, amount=used, limit=limit)]


def _readings(machine: Machine, physical: int) -> list[tuple[float, float]]:
    readings = []
    used, limit = machine.cgroup_memory_bytes, machine.cgroup_memory_limit_bytes
    if isinstance(used, int) and isinstance(limit, int) and limit > 0:
        readings.append((float(used), float(limit)))
    if isinstance(machine.available_bytes, int) and physical > 0:
        readings.append((float(physical - machine.available_bytes), float(physical)))
    return readings


def _time_limit(journal: Journal) -> list[Cause]:
    last, start = _last_sign_ns(journal), journal.start
    if last is None or start is None or not start.environment.job_ends:
        return []
    try:
        ends = datetime.fromisoformat(start.environment.job_ends).timestamp()
        left = ends - datetime.fromisoformat(start.started).timestamp() - last / 1e9
    except (ValueError, OverflowError, TypeError):
        return []
    return [Cause("time limit", likely=True, amount=left)] if left <= NEAR_LIMIT_S else []


def _clock(journal: Journal) -> list[Cause]:
    steps = [each.clock_step_ns for each in journal.machines if isinstance(each.clock_step_ns, int)]
    return [Cause("clock", likely=False, amount=steps[-1] / 1e9)] if steps else []
