"""Rules on processors: too many threads, idle cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.quantities import amount, figures, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Threads per allowed processor. Uncalibrated; 192 threads on 8 cores were throttled in 95 % of the periods
# (onyx-dot-app/onyx#12351).
TOO_MANY = 1.25
# Share of the periods in which a quota was used up. Uncalibrated; a period is 0.1 s.
THROTTLED_SHARE, FEWEST_PERIODS = 0.1, 50
# Below this share of busy processors, threads only wait: a GPU does the work. Uncalibrated.
HARDLY_BUSY = 0.1
# One thread on this many allowed cores, with the CPU time of one core. Uncalibrated.
MANY_CORES, ONE_CORE = 4, 1.2


def allowed_processors(evidence: Evidence) -> float | None:
    """Return the number of processors the process may use, or None if no limit is known."""
    environment = evidence.environment
    limits = (environment.affinity, environment.cgroup_cpus)
    known = [float(limit) for limit in limits if isinstance(limit, (int, float))]
    return min(known) if known else None


def threads_used(evidence: Evidence) -> dict[str, int]:
    """Return the number of threads of each compute pool."""
    environment = evidence.environment
    pools = environment.threads_effective if isinstance(environment.threads_effective, list) else []
    found = {f"{pool.implementation} ({pool.library})": pool.threads for pool in pools}
    if isinstance(environment.torch_threads, list) and environment.torch_threads:
        found["torch"] = environment.torch_threads[0]
    return found


def oversubscription(evidence: Evidence) -> Observation:
    """There are more threads than allowed processors."""
    allowed, threads = allowed_processors(evidence), threads_used(evidence)
    if allowed is None or not threads:
        return unknown("the threads or the allowed processors were not recorded")
    pool = max(threads, key=lambda name: threads[name])
    busy = evidence.summary.cpu_per_wall
    throttled = _throttled(evidence)
    numbers = {
        "threads": threads[pool],
        "pool": pool,
        "allowed": allowed,
        "processors_busy": busy,
        "throttled_share": throttled,
    }
    text = f"{pool} has {threads[pool]} threads for {amount(allowed)} processors"
    if throttled is not None and throttled > THROTTLED_SHARE:
        text += f"; the quota was used up in {percentage(throttled)} of the periods"
        return flagged(text, numbers=numbers, remedy=_fewer(pool, allowed))
    if threads[pool] <= TOO_MANY * max(allowed, 1):
        return clear(text, _pools(threads), numbers)
    # An unused pool does no harm: only threads that keep more than one processor busy are too many.
    idle = busy is not None and (busy < HARDLY_BUSY * allowed or busy < ONE_CORE < allowed)
    return flagged(text, numbers=numbers, severity="info" if idle else None, remedy=_fewer(pool, allowed))


def _pools(threads: dict[str, int]) -> str:
    return "1 pool of threads" if len(threads) == 1 else f"{len(threads)} pools of threads"


def _fewer(pool: str, allowed: float) -> str:
    """Return the remedy for a pool of threads."""
    number = max(int(allowed), 1)
    if pool == "torch":
        return f"Call torch.set_num_threads({number}), or set OMP_NUM_THREADS={number} before the start."
    return f"Set OMP_NUM_THREADS={number} (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS) before the start."


def _throttled(evidence: Evidence) -> float | None:
    """Return the share of quota periods in which the quota was used up, or None without a quota."""
    machines = [each for each in evidence.summary.journal.machines if isinstance(each.cgroup_periods, int)]
    if len(machines) < 2:  # noqa: PLR2004 - the counters are cumulative
        return None
    first, last = machines[0], machines[-1]
    periods = (last.cgroup_periods or 0) - (first.cgroup_periods or 0)
    if periods < FEWEST_PERIODS:
        return None
    return ((last.cgroup_throttled or 0) - (first.cgroup_throttled or 0)) / periods


def idle_cores(evidence: Evidence) -> Observation:
    """Only one thread computes although more processors are allowed."""
    allowed, threads = allowed_processors(evidence), threads_used(evidence)
    busy = evidence.summary.cpu_per_wall
    if allowed is None or busy is None or not threads:
        missing = "threads, processors allowed or CPU time were not recorded"
        return unknown(missing, Need("calls", "samples of the CPU time", 2))
    programs = evidence.summary.programs
    if programs is not None:
        if programs.busy is None:
            return unknown("the CPU time of the external program was not measured")
        busy += programs.busy
    numbers = {"threads": max(threads.values()), "allowed": allowed, "processors_busy": busy}
    text = f"{figures(busy)} of {amount(allowed)} processors busy, {max(threads.values())} threads at most"
    single = max(threads.values()) == 1 and allowed >= MANY_CORES and busy < ONE_CORE
    if not single or evidence.on_gpu:
        return clear(text, f"{_pools(threads)} and the CPU time", numbers)
    return flagged(text, numbers=numbers)


RULES = (
    Rule(
        "oversubscription",
        "cost",
        "Set OMP_NUM_THREADS (or torch.set_num_threads) to the number of allowed processors.",
        "Run with that number of threads: steps are not slower.",
        oversubscription,
        trial="fewer-threads",
    ),
    Rule(
        "idle-cores",
        "info",
        "Raise the number of threads, or run several jobs in parallel.",
        "Run with two threads and compare.",
        idle_cores,
        trial="more-threads",
    ),
)
