"""The few rules that run live: problems for which a user would stop the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from instrumented_calc.analysis.rules.processors import TOO_MANY
from instrumented_calc.analysis.statistics.growth import judge_growth
from instrumented_calc.analysis.timing.compilation import RECOMPILED_CALLS
from instrumented_calc.journal.records import Finding
from instrumented_calc.quantities import amount, figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.records import Environment

FEWEST_SAMPLES = 20
# The series is re-tested as it grows, and every saturating or periodically emptied series starts linear, so
# a trend must be long and already present at 80 % of the series. Without this, 50 to 95 % of slow healthy
# patterns were reported at some point.
FEWEST_CALLS = 1200
BEFORE = 0.8
START_UP_CALLS = 20  # calls in which any program may compile
SATURATED = 0.9  # of the allowed processors: threads that spin while waiting count as busy
FEWEST_NS = 5_000_000_000
LONGEST_SERIES = 1024.0


class LiveSample(Protocol):
    """State of the process at the end of a call; None where it was not measured."""

    @property
    def call(self) -> int:
        """Number of the call."""

    @property
    def end_ns(self) -> int:
        """End of the call in ns."""

    @property
    def cpu_ns(self) -> int | None:
        """CPU time of the process so far in ns."""

    @property
    def rss_bytes(self) -> int | None:
        """Resident memory."""

    @property
    def device_bytes(self) -> int | None:
        """Device memory allocated to tensors."""


def judge_live(
    samples: Sequence[LiveSample], compiled: Sequence[int], environment: Environment
) -> list[Finding]:
    """Return the findings to report during a run.

    Args:
        samples: State of the process so far, over all calls.
        compiled: Calls in which something was compiled.
        environment: The machine and its software.
    """
    found = [
        _growth("host-growth", "memory", [(each.call, each.rss_bytes) for each in samples]),
        _growth("device-growth", "device memory", [(each.call, each.device_bytes) for each in samples]),
        _recompiling(compiled),
        _oversubscription(samples, environment),
    ]
    return [each for each in found if each is not None]


def _growth(rule: str, what: str, series: list[tuple[int, int | None]]) -> Finding | None:
    known = [(call, value) for call, value in series if value is not None]
    if len(known) < FEWEST_SAMPLES:
        return None
    calls, values = np.array(known, dtype=np.float64).T
    if calls[-1] - calls[0] < FEWEST_CALLS:
        return None
    growth = judge_growth(calls, values)
    if growth.verdict != "flagged" or growth.slope is None:
        return None
    before = calls <= calls[0] + BEFORE * (calls[-1] - calls[0])
    if judge_growth(calls[before], values[before]).verdict != "flagged":
        return None
    slope = growth.slope
    text = (
        f"{what} has grown steadily so far, by {figures(slope.value / 1e3)} kB per call"
        f" [{figures(slope.low / 1e3)}, {figures(slope.high / 1e3)}]:"
        f" {figures(slope.value)} MB per million calls"
    )
    numbers = {"kb_per_call": slope.value / 1e3, "grown_bytes": growth.grown, "samples": growth.samples}
    return Finding(rule, text, 0, numbers)


def _recompiling(compiled: Sequence[int]) -> Finding | None:
    late = [call for call in compiled if call >= START_UP_CALLS]
    if len(late) < RECOMPILED_CALLS:
        return None
    text = f"{len(late)} calls after the start waited for compilation, most recently call {late[-1]}"
    return Finding("recompiling", text, 0, {"calls": len(late), "last_call": late[-1]})


def _oversubscription(samples: Sequence[LiveSample], environment: Environment) -> Finding | None:
    limits = (environment.affinity, environment.cgroup_cpus)
    allowed = min((float(each) for each in limits if isinstance(each, (int, float))), default=0.0)
    pools = environment.threads_effective if isinstance(environment.threads_effective, list) else []
    threads = max((pool.threads for pool in pools), default=0)
    if isinstance(environment.torch_threads, list):
        threads = max(threads, *environment.torch_threads[:1])
    busy = _processors_busy(samples)
    if not allowed or busy is None or threads <= TOO_MANY * max(allowed, 1) or busy < SATURATED * allowed:
        return None
    text = f"{threads} threads share {amount(allowed)} processors, and all of them are busy"
    numbers = {"threads": threads, "allowed": allowed, "processors_busy": busy}
    return Finding("oversubscription", text, 0, numbers)


def _processors_busy(samples: Sequence[LiveSample]) -> float | None:
    known = [(each.end_ns, each.cpu_ns) for each in samples if each.cpu_ns is not None]
    if len(known) < FEWEST_SAMPLES or known[-1][0] - known[0][0] < FEWEST_NS:
        return None
    return (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0])


# The judgement itself takes some 2 MB once, which must be allocated before memory is sampled: the journal
# thread imports this module at the start of the run.
judge_growth(np.arange(LONGEST_SERIES), np.arange(LONGEST_SERIES))
