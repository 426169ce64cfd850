"""The state of a run in words, one function per row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from instrumented_calc.quantities import bytes_of, count, duration, elapsed, figures, percentage, plural
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.ending import ending_words

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.watch_state import WatchState

STATES = {
    "starting": "STARTING",
    "running": "RUNNING",
    "waiting": "WAITING",
    "silent": "SILENT",
    "ended": "ENDED",
    "failed": "FAILED",
    "killed": "KILLED",
    "pool": "ENDED",
}
SHORTEST_FORECAST_S = 1.0


def state_word(state: WatchState) -> str:
    """Return the state in one word."""
    return STATES[state.ending.how if state.life == "over" else state.life]


def what_runs(state: WatchState) -> str:
    """Return the calculator, the system and the driver."""
    lane = state.lanes[0] if state.lanes else None
    words = []
    if lane is not None:
        system = identity.system_words(lane)
        words.append(identity.calculator_name(lane) + (f" on {system}" if system else ""))
    if len(state.lanes) > 1:
        words.append(plural(len(state.lanes) - 1, "other calculator"))
    if state.phase is not None:
        words.append(identity.phase_words(state.phase))
    return ", ".join(words)


def what_happens(state: WatchState) -> str:
    """Return what the run is doing: its open call, how long nothing has happened, or how it ended."""
    ending = state.ending
    if state.life == "over":
        return ending_words(ending)
    if ending.call is not None and ending.open_ns is not None and state.life != "running":
        opened = max(ending.open_ns / 1e9, state.silent_s or 0.0)
        return f"call {count(ending.call)} has been open for {elapsed(opened * 1e9)}"
    since = "" if state.silent_s is None else elapsed(state.silent_s * 1e9)
    if state.life == "waiting":
        return f"no call for {since}: between calls, suspended or stuck"
    if state.life == "silent":
        host = state.start.environment.host if state.start is not None else None
        return f"nothing new for {since}; whether it runs on {identity.one_line(host or '?')} is not known"
    if state.life == "starting":
        return "no call has ended yet"
    return ""


def progress(state: WatchState) -> str:
    """Return how far the run is."""
    words = []
    if state.step is not None:
        step = f"step {count(state.step)}"
        if state.until_step:
            most = "at most " if state.phase is not None and state.phase.kind == "optimizer" else ""
            step += f" of {most}{count(state.until_step)} ({percentage(state.step / state.until_step)})"
        words.append(step)
    if state.calls is not None:
        words.append(plural(state.calls, "call"))
    if state.failed:
        words.append(f"{count(state.failed)} failed")
    if state.phase is not None and state.phases > 1:
        words.append(f"driver {count(state.phase.phase)}")
    if state.elapsed_s is not None:
        words.append(elapsed(state.elapsed_s * 1e9))
    return ", ".join(words)


def speed(state: WatchState) -> str:
    """Return the speed now and on average."""
    pace = state.pace
    if pace is None or pace.now <= 0 or pace.mean <= 0:
        return ""
    unit = "step" if state.step is not None else "call"
    each = f"{duration(1e9 / pace.now)} per {unit} (mean {duration(1e9 / pace.mean)})"
    if state.ns_per_day_now is None or state.ns_per_day_mean is None:
        return each
    return f"{figures(state.ns_per_day_now)} ns/day now, {figures(state.ns_per_day_mean)} mean; {each}"


def end_expected(state: WatchState) -> str:
    """Return when the run will end, and whether that is before the job does."""
    expected = state.forecast
    if expected is None:
        return ""
    words = f"in {_time(expected.seconds)}"
    if expected.latest != float("inf") and _time(expected.earliest) != _time(expected.latest):
        words += f" ({_time(expected.earliest)} to {_time(expected.latest)})"
    elif expected.latest == float("inf"):
        words += f" (at least {_time(expected.earliest)})"
    if expected.seconds < 10 * 365 * 86_400:
        at = datetime.fromisoformat(state.at).astimezone() + timedelta(seconds=expected.seconds)
        words += f", {at:%a %H:%M}" if expected.seconds > 3600 else f", {at:%H:%M:%S}"  # noqa: PLR2004 - an hour
    return words


def job_limit(state: WatchState) -> str:
    """Return whether the run fits into its job; empty without a limit."""
    expected = state.forecast
    if expected is None or expected.job_left is None:
        return ""
    left = f"the job ends in {_time(expected.job_left)}"
    if expected.fits:
        return f"{left}: fits"
    step = "" if expected.step_at_limit is None else f", at about step {count(expected.step_at_limit)}"
    return f"{left}{step}: {'not sure to fit' if expected.fits is None else 'DOES NOT FIT'}"


def _time(seconds: float) -> str:
    return elapsed(max(seconds, 0.0) * 1e9) if seconds >= SHORTEST_FORECAST_S else "under 1 s"


def physics(state: WatchState) -> str:
    """Return temperature and energy drift, or what is broken."""
    known = state.physics
    if known.broken:
        where = "" if known.broken_step is None else f" at step {count(known.broken_step)}"
        return f"BROKEN: {identity.one_line(', '.join(known.broken))} not finite{where}; the rest is void"
    words = []
    if known.temperature_k is not None:
        target = "" if known.target_k is None else f" (target {figures(known.target_k)})"
        words.append(f"{figures(known.temperature_k)} K{target}")
    if known.drift is not None:
        drift = f"{figures(known.drift, signed=True)} meV per atom per ps"
        words.append(f"energy drift {drift if known.drift_seen else 'within its fluctuations'}")
    return ", ".join(words)


def memory(state: WatchState) -> str:
    """Return the memory, its limit, and when it will be full."""
    known = state.memory
    words = []
    if known.resident is not None:
        words.append(bytes_of(known.resident))
    if known.used is not None and known.limit is not None:
        words.append(f"{bytes_of(known.used)} of {bytes_of(known.limit)} in use")
    if known.full_in_s is not None:
        words.append(f"grows; FULL IN about {_time(known.full_in_s)}")
    elif known.bytes_per_s is not None:
        words.append(f"grows by {bytes_of(known.bytes_per_s * 3600)} per hour")
    return ", ".join(words)


def device(state: WatchState) -> str:
    """Return the memory of the device."""
    known = state.memory
    words = [] if known.device_allocated is None else [f"{bytes_of(known.device_allocated)} allocated"]
    words += [] if known.device_reserved is None else [f"{bytes_of(known.device_reserved)} reserved"]
    words += [] if known.device_free is None else [f"{bytes_of(known.device_free)} free"]
    return ", ".join(words)


def latency(state: WatchState) -> str:
    """Return the usual and the slowest recent call."""
    known = state.latency
    if known is None:
        return ""
    step = "" if known.slowest_step is None else f" at step {count(known.slowest_step)}"
    usual = f"{duration(known.median_ns)} per call"
    return f"{usual}, slowest of the last {count(known.calls)}: {duration(known.slowest_ns)}{step}"
