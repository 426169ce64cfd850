"""How a run ended, according to the evidence in the journal.

A killed process writes nothing at its end. Earlier records (the open call, memory against its limit, the
batch system's time limit) make a cause likely or possible, never certain; each cause is marked accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from instrumented_calc.journal.records import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Integers
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Machine, OpenCall, RunEnd, Slice

How = Literal["ended", "failed", "running", "killed", "pool", "unknown"]
Kind = Literal["memory", "oom kill", "descriptors", "disk", "cut short", "time limit", "clock"]

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
        amount: Bytes, descriptors, processes or lines; for a time limit or a clock: seconds.
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
        step: The step that the newest call belongs to, counted from 1; 0 is the start.
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


@dataclass(frozen=True, slots=True)
class LastSigns:
    """The last evidence of a run.

    Attributes:
        end: Its `run_end`, if it was written.
        running: Whether its process is running; None if unknown.
        started: UTC time of the start, ISO 8601; empty if unknown.
        parent_run_id: Run of the process that forked or pickled this one, if there is one.
        environment: Its machine.
        machines: Readings of the machine, oldest first.
        last_call: The newest call that had ended.
        step: Last known step of the driver.
        failure: Exception that left the newest call.
        open_call: Last report of a call that has not ended.
        time_ns: Time of the newest record, on the run's clock.
        rss_bytes: Resident memory at the newest sample of a call.
        cut_short: Whether the last line is incomplete.
    """

    end: RunEnd | None
    running: bool | None
    started: str = ""
    parent_run_id: str | None = None
    environment: Environment = field(default_factory=Environment)
    machines: Sequence[Machine] = ()
    last_call: int | None = None
    step: int | None = None
    failure: str | None = None
    open_call: OpenCall | None = None
    time_ns: int | None = None
    rss_bytes: int | None = None
    cut_short: bool = False


def how_it_ended(journal: Journal, steps: Integers) -> Ending:
    """Return how a run ended.

    Args:
        journal: The run's journal, complete or truncated.
        steps: The step that each call belongs to, see `number_steps`.
    """
    return ending_after(_last_signs(journal, steps))


def ending_after(signs: LastSigns) -> Ending:
    """Return how a run ended, according to its last evidence."""
    end = signs.end
    if end is not None:
        failure = end.failure or (_exit_in_last_call(signs) if end.reason == "exit" else None)
        failed = bool(failure)
        return Ending(
            how="failed" if failed else "ended",
            reason=end.reason,
            failure=failure or None,
            message=end.failure_message or None,
            last_call=signs.last_call,
            step=signs.step,
            causes=_sorted(_exhausted(signs)) if failed else (),
        )
    how: How = "killed"
    if signs.running:
        how = "running"
    elif signs.parent_run_id:
        how = "pool"
    elif signs.running is None:
        how = "unknown"
    causes = [*_exhausted(signs), *_cut_short(signs), *_time_limit(signs), *_clock(signs)]
    return Ending(
        how=how,
        call=signs.open_call.index if signs.open_call else None,
        open_ns=signs.open_call.open_ns if signs.open_call else None,
        last_call=signs.last_call,
        step=signs.step,
        causes=_sorted(causes) if how in {"killed", "unknown"} else (),
    )


def _last_signs(journal: Journal, numbers: Integers) -> LastSigns:
    calls, start = journal.calls, journal.start
    newest = int((calls.start_ns + calls.wall_ns.astype("int64")).argmax()) if len(calls) else None
    steps = [_last_step(journal, each) for each in journal.slices[-1:] if isinstance(each.last_step, int)]
    if newest is not None and numbers[newest] >= 0:
        steps.append(int(numbers[newest]))
    failed = (calls.failures.rows == newest).nonzero()[0].tolist()
    resident = calls.sparse.get("rss_bytes")
    return LastSigns(
        end=journal.end,
        running=journal.running,
        started="" if start is None else start.started,
        parent_run_id=journal.parent_run_id,
        environment=journal.environment,
        machines=journal.machines,
        last_call=None if newest is None else int(calls.index[newest]),
        step=steps[-1] if steps else None,
        failure=str(calls.failures.values[failed[0]]) if failed else None,
        open_call=_open_call(journal),
        time_ns=_last_sign_ns(journal),
        rss_bytes=int(resident.values[-1]) if resident is not None and len(resident) else None,
        cut_short=journal.torn,
    )


def _exit_in_last_call(signs: LastSigns) -> str | None:
    """Return the exception that left the newest call and can only have ended the program.

    Python forgets a `SystemExit`, such as `sys.exit()` in a handler of SIGTERM, before it calls its exit
    functions, so that the end of a run cannot name it. An interpreter that continues would make other calls.
    """
    return signs.failure if signs.failure in ENDS_PROGRAM else None


def _sorted(causes: list[Cause]) -> tuple[Cause, ...]:
    return tuple(sorted(causes, key=lambda cause: not cause.likely))


def _last_step(journal: Journal, part: Slice) -> int:
    phase = journal.phases.get(part.phase) if isinstance(part.phase, int) else None
    completed = part.last_step if isinstance(part.last_step, int) else 0
    return completed + (phase is not None and phase.kind == "md")


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
        times.append(int((calls.start_ns + calls.wall_ns.astype("int64")).max()))
    return max(times, default=None)


def _exhausted(signs: LastSigns) -> list[Cause]:
    """Return the resources that were used up at the last reading."""
    causes = _memory(signs)
    machines = signs.machines
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


def _cut_short(signs: LastSigns) -> list[Cause]:
    """Return that the journal could not grow: lines are written in one piece, which a signal rarely cuts."""
    return [Cause("cut short", likely=False, amount=1)] if signs.cut_short else []


def _memory(signs: LastSigns) -> list[Cause]:
    """Return the memory that was nearest to its limit, if it was near."""
    readings: list[tuple[float, float]] = []
    environment = signs.environment
    if signs.machines:
        readings += memory_readings(signs.machines[-1], environment.memory_bytes or 0)
    # Samples of calls are newer than the last machine record.
    if environment.cgroup_memory_bytes and signs.rss_bytes is not None:
        readings.append((float(signs.rss_bytes), environment.cgroup_memory_bytes))
    used, limit = max(readings, key=lambda pair: pair[0] / pair[1], default=(0.0, 1.0))
    if used < POSSIBLE_MEMORY * limit:
        return []
    return [Cause("memory", likely=used >= LIKELY_MEMORY * limit, amount=used, limit=limit)]


def memory_readings(machine: Machine, physical: int) -> list[tuple[float, float]]:
    """Return the memory in use and its limit: of the cgroup, and of the machine.

    Args:
        machine: A reading of the machine.
        physical: Its memory, bytes; 0 if unknown.
    """
    readings = []
    used, limit = machine.cgroup_memory_bytes, machine.cgroup_memory_limit_bytes
    if isinstance(used, int) and isinstance(limit, int) and limit > 0:
        readings.append((float(used), float(limit)))
    if isinstance(machine.available_bytes, int) and physical > 0:
        readings.append((float(physical - machine.available_bytes), float(physical)))
    return readings


def _time_limit(signs: LastSigns) -> list[Cause]:
    last, ends = signs.time_ns, signs.environment.job_ends
    if last is None or not signs.started or not ends:
        return []
    try:
        end = datetime.fromisoformat(ends).timestamp()
        left = end - datetime.fromisoformat(signs.started).timestamp() - last / 1e9
    except (ValueError, OverflowError, TypeError):
        return []
    return [Cause("time limit", likely=True, amount=left)] if left <= NEAR_LIMIT_S else []


def _clock(signs: LastSigns) -> list[Cause]:
    steps = [each.clock_step_ns for each in signs.machines if isinstance(each.clock_step_ns, int)]
    return [Cause("clock", likely=False, amount=steps[-1] / 1e9)] if steps else []
