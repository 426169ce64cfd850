"""From the records of a run to what a viewer shows."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from instrumented_calc.analysis.post_mortem import LastSigns, ending_after
from instrumented_calc.analysis.watching.clocks import job_left, last_end, last_sign, run_clock
from instrumented_calc.analysis.watching.live_physics import live_physics
from instrumented_calc.analysis.watching.observed_run import end_of
from instrumented_calc.analysis.watching.pace import forecast, newest_stretch, ns_per_day, pace_of
from instrumented_calc.analysis.watching.recent import binned, recent_latency, recent_time
from instrumented_calc.analysis.watching.room import memory_room
from instrumented_calc.analysis.watching.series import TimePoint
from instrumented_calc.analysis.watching.step_number import step_number
from instrumented_calc.analysis.watching.watch_state import Life, WatchState
from instrumented_calc.journal.records import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.post_mortem import Ending
    from instrumented_calc.analysis.watching.observed_run import ObservedRun
    from instrumented_calc.analysis.watching.pace import Pace
    from instrumented_calc.journal.records import Call, OpenCall, Phase

# A call is late after this time, and if several usual steps would have fitted into it.
LATE_S, LATE_STEPS = 10.0, 5.0
SILENT_S = 60.0  # a network file system may show another machine's writes this late


def observe(  # noqa: PLR0913 - keyword-only, what is not known of its records
    run: ObservedRun,
    path: str,
    now: float,
    *,
    alive: bool | None,
    clock_s: float = 0.0,
    torn: bool = False,
) -> WatchState:
    """Return what is known of a run.

    Args:
        run: Its records.
        path: Its journal.
        now: Unix time, s.
        alive: Whether its process is running; None if unknown, as on another machine.
        clock_s: How far the other machine's clock is behind this one, as far as known, s.
        torn: Whether the last line is incomplete.
    """
    phase = run.phases.get(run.phase[0]) if run.phase is not None else None
    steps = newest_stretch(run.steps.points())
    pace = pace_of(steps or _calls(run.rows))
    clock = run_clock(run, now - clock_s)
    last, ended = last_sign(run), last_end(run)
    newest = run.newest.index if run.newest is not None else 0
    step = step_number(phase, newest, int(steps[-1].value)) if steps else None
    signs = _signs(run, alive, step, last, torn=torn)
    ending = ending_after(signs)
    silent = None if clock is None else max(clock - (ended or 0) / 1e9, 0.0)
    life = _life(run, ending, silent, None if clock is None else clock - (last or 0) / 1e9, pace)
    over = life == "over"
    until = phase.until_step if phase is not None and isinstance(phase.until_step, int) else None
    until = None if until is None or step is None or until < step else until
    timestep = phase.timestep_fs if phase is not None and isinstance(phase.timestep_fs, float) else None
    predicted = None
    if pace is not None and step is not None and until is not None and life == "running" and _is_md(phase):
        predicted = forecast(pace, step, until, job_left(run, now))
    return WatchState(
        path=path,
        life=life,
        at=datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds"),
        ending=ending,
        start=run.start,
        elapsed_s=(last or 0) / 1e9 if life in {"over", "silent"} or clock is None else clock,
        silent_s=None if over else silent,
        calls=_number_of_calls(run),
        failed=None if run.counters is None else run.counters.failed,
        step=step,
        until_step=until,
        phase=phase,
        phases=len(run.phases),
        lanes=tuple(run.lanes[number] for number in sorted(run.lanes)),
        pace=pace,
        forecast=predicted,
        ns_per_day_now=ns_per_day(pace.now, timestep) if steps and pace and timestep else None,
        ns_per_day_mean=ns_per_day(pace.mean, timestep) if steps and pace and timestep else None,
        physics=live_physics(run, phase, timestep),
        memory=memory_room(run),
        latency=recent_latency(run, phase),
        recent=recent_time(run, phase),
        latency_line=binned(run.latencies.points()),
        memory_line=binned(run.resident.points()),
        findings=tuple(sorted(run.findings.values(), key=lambda each: each.time_ns)),
        notices=tuple(run.notices),
        state=run.state,
    )


def _number_of_calls(run: ObservedRun) -> int | None:
    known = [run.counters.calls] if run.counters is not None else []
    known += [run.newest.index + 1] if run.newest is not None and run.end is None else []
    return max(known, default=None)


def _open_call(run: ObservedRun) -> OpenCall | None:
    newest = -1 if run.newest is None else run.newest.index
    known = [each for each in run.open_calls if each.index > newest]
    return max(known, key=lambda each: (each.time_ns, each.index), default=None)


def _signs(
    run: ObservedRun, alive: bool | None, step: int | None, last: int | None, *, torn: bool
) -> LastSigns:
    start, resident = run.start, run.resident.points()
    return LastSigns(
        end=run.end,
        running=alive,
        started="" if start is None else start.started,
        parent_run_id=None if start is None else start.parent_run_id or None,
        environment=Environment() if start is None else start.environment,
        machines=run.machines,
        last_call=None if run.newest is None else run.newest.index,
        step=step,
        failure=None if run.newest is None else run.newest.failure or None,
        open_call=_open_call(run),
        time_ns=last,
        rss_bytes=int(resident[-1].value) if resident else None,
        cut_short=torn,
    )


def _life(
    run: ObservedRun, ending: Ending, silent: float | None, unheard: float | None, pace: Pace | None
) -> Life:
    if ending.how not in {"running", "unknown"}:
        return "over"
    if ending.how == "unknown" and unheard is not None and unheard > SILENT_S:
        return "silent"
    if last_end(run) is None:
        return "starting"
    late = max(LATE_S, LATE_STEPS / pace.now if pace is not None and pace.now > 0 else 0.0)
    return "waiting" if silent is not None and silent > late else "running"


def _calls(rows: Sequence[Call]) -> list[TimePoint]:
    """Return the number of calls over time, where no driver counts steps."""
    return [TimePoint(end_of(row), row.index) for row in rows]


def _is_md(phase: Phase | None) -> bool:
    return phase is None or phase.kind != "optimizer"  # which ends when it has converged
