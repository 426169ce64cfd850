"""What a viewer shows of a run at one moment, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from instrumented_calc.analysis.watching.room import MemoryRoom

if TYPE_CHECKING:
    from instrumented_calc.analysis.post_mortem import Ending
    from instrumented_calc.analysis.timing.time_shares import Breakdown
    from instrumented_calc.analysis.watching.pace import Forecast, Pace
    from instrumented_calc.journal.records import Finding, Lane, Notice, Phase, RunStart, State

# starting: no call has ended yet; waiting: none has ended for long; silent: nothing was written for long and
# the process is on another machine; over: see the ending.
Life = Literal["starting", "running", "waiting", "silent", "over"]


@dataclass(frozen=True, slots=True)
class LivePhysics:
    """State of the simulation; None where it was not measured.

    Attributes:
        temperature_k: Newest temperature.
        target_k: Temperature that the driver aims at.
        drift: Drift of the conserved energy, meV per atom per ps.
        drift_seen: Whether it is larger than the energy's fluctuations.
        broken: Results that are not finite, in the first such state.
        broken_step: Step of that state.
    """

    temperature_k: float | None = None
    target_k: float | None = None
    drift: float | None = None
    drift_seen: bool = False
    broken: tuple[str, ...] = ()
    broken_step: int | None = None


@dataclass(frozen=True, slots=True)
class LiveLatency:
    """Durations of calls, ns.

    Attributes:
        calls: Number of recent calls.
        median_ns: Their median.
        slowest_ns: The slowest of them.
        slowest_step: Step of that call, if it is known.
    """

    calls: int
    median_ns: float
    slowest_ns: int
    slowest_step: int | None = None


@dataclass(frozen=True, slots=True)
class WatchState:
    """A run at one moment; None where something is not known.

    Attributes:
        path: The journal.
        life: Whether the run is still in progress.
        at: Time of this state, UTC.
        ending: How it ended, or the call that is open.
        start: Its first record.
        elapsed_s: Time since the start, up to the end.
        silent_s: Time since the last call ended, while the run is not over.
        calls: Calls that have ended.
        failed: Calls that failed.
        step: The step that the newest call belongs to, counted from 1; 0 is the start.
        until_step: Steps after which its run ends.
        phase: The driver.
        phases: Number of known drivers.
        lanes: Wrapped calculators.
        pace: Speed in steps per second; in calls, if no driver counts steps.
        forecast: When the driver's run will end.
        ns_per_day_now: Simulated time per day, over the last half minute.
        ns_per_day_mean: The same since the driver's first step.
        physics: State of the simulation.
        memory: Memory.
        latency: Recent durations of calls.
        recent: Where the recent time went.
        latency_line: Median durations in equal times over the run, ns; None where none is known.
        memory_line: Resident memory in equal times over the run, bytes.
        findings: Findings so far, oldest first.
        notices: Notices and marks, newest last.
        state: Newest state of the simulation.
        unread: Share of the file that has not been read yet.
    """

    path: str
    life: Life
    at: str
    ending: Ending
    start: RunStart | None = None
    elapsed_s: float | None = None
    silent_s: float | None = None
    calls: int | None = None
    failed: int | None = None
    step: int | None = None
    until_step: int | None = None
    phase: Phase | None = None
    phases: int = 0
    lanes: tuple[Lane, ...] = ()
    pace: Pace | None = None
    forecast: Forecast | None = None
    ns_per_day_now: float | None = None
    ns_per_day_mean: float | None = None
    physics: LivePhysics = field(default_factory=LivePhysics)
    memory: MemoryRoom = field(default_factory=MemoryRoom)
    latency: LiveLatency | None = None
    recent: Breakdown | None = None
    latency_line: tuple[float | None, ...] = ()
    memory_line: tuple[float | None, ...] = ()
    findings: tuple[Finding, ...] = ()
    notices: tuple[Notice, ...] = ()
    state: State | None = None
    unread: float = 0.0
