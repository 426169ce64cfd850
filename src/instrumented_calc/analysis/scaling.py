"""How time and memory scale with the number of atoms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.comparison.hardware import Unequal, evidence_of, unequal
from instrumented_calc.analysis.comparison.measured_run import run_of_summary
from instrumented_calc.analysis.experiment_checks import THREADS_UNEQUAL, not_as_requested
from instrumented_calc.analysis.rules.overhead import FEWEST_SIZES, FLAT_EXPONENT, LEAST_SPAN
from instrumented_calc.analysis.sizing.extrapolation import largest_carried
from instrumented_calc.analysis.statistics.student_t import Estimate, line_with_interval, slope, t_quantile
from instrumented_calc.quantities import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from instrumented_calc.analysis.memory.reading import Memory
    from instrumented_calc.analysis.summary import Summary

    Floats = NDArray[np.float64]

# A median needs this many calls.
FEWEST_CALLS = 30
# A part below this share of the time at every size gets no exponent.
LEAST_SHARE = 0.01
# Points of the fitted curve: on logarithmic axes it is straight, and its interval bends little.
FIT_POINTS = 25


@dataclass(frozen=True, slots=True)
class SizeTime:
    """All runs of one size.

    Attributes:
        n_atoms: The true number of atoms.
        runs: Number of runs.
        median_ns: Geometric mean of the runs' medians, ns.
        scatter: Standard deviation of the logarithms of the runs' medians; None for a single run.
        peak_bytes: Mean of the runs' peaks of resident memory; None if not sampled.
    """

    n_atoms: int
    runs: int
    median_ns: float
    scatter: float | None
    peak_bytes: float | None

    @property
    def us_per_atom(self) -> float:
        """Time per atom, us."""
        return self.median_ns / self.n_atoms / 1e3

    @property
    def interval(self) -> Estimate | None:
        """The median, ns, with its 95 % t interval from the scatter between runs; None for a single run."""
        if self.scatter is None:
            return None
        reach = t_quantile(self.runs - 1) * self.scatter / math.sqrt(self.runs)
        middle = math.log(self.median_ns)
        return Estimate(middle, middle - reach, middle + reach).exponential()


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """Memory as a linear function of the number of atoms.

    Attributes:
        kind: `host` or `device`.
        bytes_per_atom: Its slope.
        at_zero_bytes: Memory at zero atoms: libraries, model.
        limit_bytes: Memory of the machine; None if unknown.
        largest: Largest number of atoms that fits, extrapolated; None if memory does not measurably grow, the
            limit is unknown, or the measured sizes do not carry the number.
        fits_at_least: How many atoms fit at least, if the sizes do not carry the largest number.
    """

    kind: str
    bytes_per_atom: Estimate
    at_zero_bytes: float
    limit_bytes: float | None
    largest: Estimate | None = None
    fits_at_least: int | None = None


@dataclass(frozen=True, slots=True)
class FittedTime:
    """The fitted power law at one size.

    Attributes:
        n_atoms: The size, between the measured ones.
        time_ns: Time per call, ns, with the 95 % interval of the fit.
    """

    n_atoms: float
    time_ns: Estimate


@dataclass(frozen=True, slots=True)
class Scaling:
    """Runs at several sizes.

    Attributes:
        sizes: Ascending.
        exponent: d ln t / d ln N of the time per call; None with too few sizes.
        components: The exponents of each part of the calculator that takes 1 % at some size.
        overhead_bound: True if the curve is significantly flat, False if it is significantly not, None if
            undecided.
        why: Basis of that verdict, or missing evidence.
        memory: Fits of host and device memory.
        unequal: Differences in machine, software and threads between the runs; no exponent in that case.
        unmeasured: Names of runs without steady calls.
        fit: The power law over the measured sizes; empty without an exponent.
    """

    sizes: tuple[SizeTime, ...]
    exponent: Estimate | None
    components: dict[str, Estimate]
    overhead_bound: bool | None
    why: str
    memory: tuple[MemoryFit, ...]
    unequal: tuple[Unequal, ...] = ()
    unmeasured: tuple[str, ...] = ()
    fit: tuple[FittedTime, ...] = ()


def measure_scaling(summaries: Sequence[Summary]) -> Scaling:
    """Measure how runs at several sizes scale.

    Args:
        summaries: One per run, each of a single size, in any order.
    """
    measured = [(_n_atoms(each), each) for each in summaries if each.latency]
    known = sorted(((n, each) for n, each in measured if n), key=lambda pair: pair[0])
    used = {id(each) for _, each in known}
    differing = unequal([evidence_of(each.journal) for _, each in known], [], ())
    atoms = np.array([n for n, _ in known], np.float64)
    times = np.array([each.latency.median_ns for _, each in known if each.latency])
    exponent = None if differing else fit_exponent(atoms, times)
    flat, why = _overhead_bound(atoms, exponent, differing)
    return Scaling(
        sizes=tuple(_size(n, [each for m, each in known if m == n]) for n in sorted({n for n, _ in known})),
        exponent=exponent,
        components={} if differing else _components(known),
        overhead_bound=flat,
        why=why,
        memory=tuple(fit for fit in _memories(known) if fit),
        unequal=tuple(differing),
        unmeasured=tuple(str(each.journal.path) for each in summaries if id(each) not in used),
        fit=_fit(atoms, times) if exponent is not None else (),
    )


def _n_atoms(summary: Summary) -> int:
    sizes = np.unique(summary.journal.calls.n_atoms)
    return int(sizes[-1]) if len(sizes) else 0


def fit_exponent(atoms: Floats, times: Floats) -> Estimate | None:
    """Fit a power law: least squares on logarithms, with a t interval of the exponent.

    Args:
        atoms: Size of each run.
        times: Time of each run, positive.

    Returns:
        None with fewer than three sizes.
    """
    if len(np.unique(atoms)) < FEWEST_SIZES:
        return None
    fit = slope(np.log(atoms), np.log(times))
    return fit[0] if fit else None


def _fit(atoms: Floats, times: Floats) -> tuple[FittedTime, ...]:
    sizes = np.geomspace(atoms.min(), atoms.max(), FIT_POINTS)
    fitted = line_with_interval(np.log(atoms), np.log(times), np.log(sizes))
    return tuple(FittedTime(n, each.exponential()) for n, each in zip(sizes.tolist(), fitted, strict=True))


def _size(n_atoms: int, runs: Sequence[Summary]) -> SizeTime:
    logs = np.log([run.latency.median_ns for run in runs if run.latency])
    peaks = [run.memory.peak_bytes for run in runs if run.memory]
    return SizeTime(
        n_atoms=n_atoms,
        runs=len(runs),
        median_ns=math.exp(float(logs.mean())),
        scatter=float(logs.std(ddof=1)) if len(logs) > 1 else None,
        peak_bytes=sum(peaks) / len(peaks) if peaks else None,
    )


def _overhead_bound(
    atoms: Floats, exponent: Estimate | None, differing: Sequence[Unequal]
) -> tuple[bool | None, str]:
    if differing:
        return None, "the runs are not comparable"
    if exponent is None:
        return None, f"{plural(len(np.unique(atoms)), 'size')}; {FEWEST_SIZES} are needed"
    span = float(atoms.max() / atoms.min())
    if span < LEAST_SPAN:
        return None, f"the sizes span a factor of {span:.1f}; {LEAST_SPAN:.0f} is needed"
    if exponent.high < FLAT_EXPONENT:
        return (
            True,
            f"the exponent is below {FLAT_EXPONENT:g} over a factor of {span:.1f} in size (95 %)",
        )
    if exponent.low > FLAT_EXPONENT:
        return False, f"the exponent is above {FLAT_EXPONENT:g} (95 %)"
    return None, f"the exponent's interval contains {FLAT_EXPONENT:g}: add sizes, steps or replicates"


def _components(known: Sequence[tuple[int, Summary]]) -> dict[str, Estimate]:
    """Return the exponents of the parts, longest at the largest size first."""
    parts = [(n, _typical_times(each), each.latency.median_ns if each.latency else 0.0) for n, each in known]
    names = dict.fromkeys(name for _, times, _ in parts for name in times)
    found = {}
    for name in names:
        rows = [(n, times[name], times[name] / whole) for n, times, whole in parts if times.get(name)]
        if max((share for _, _, share in rows), default=0.0) < LEAST_SHARE:
            continue
        fit = fit_exponent(np.array([n for n, _, _ in rows], np.float64), np.array([t for _, t, _ in rows]))
        if fit is not None:
            found[name] = fit
    largest = parts[-1][1] if parts else {}
    return dict(sorted(found.items(), key=lambda item: -largest.get(item[0], 0.0)))


def _typical_times(summary: Summary) -> dict[str, float]:
    """Return the median time of each part in steady calls, ns, and of the rest of the call."""
    parts = run_of_summary(summary).parts_ns
    return {name: float(np.median(times)) for name, times in parts.items()}


def host_limit(summaries: Sequence[Summary]) -> int | None:
    """Return the smallest memory that any run's machine or cgroup allows, bytes; None if unknown."""
    environments = [each.journal.environment for each in summaries]
    limits = [
        limit
        for each in environments
        for limit in (each.cgroup_memory_bytes, each.memory_bytes)
        if isinstance(limit, int)
    ]
    return min(limits, default=None)


def device_limit(summaries: Sequence[Summary]) -> int | None:
    """Return the smallest device memory that any run could use, bytes; None if it was not measured."""
    limits = []
    for each in summaries:
        free, reserved = (
            each.journal.calls.sparse.get(name) for name in ("device_free_bytes", "device_reserved_bytes")
        )
        if free is not None and reserved is not None and len(free) and len(reserved):
            limits.append(int(free.values[-1]) + int(reserved.values[-1]))
    return min(limits, default=None)


def _memories(known: Sequence[tuple[int, Summary]]) -> list[MemoryFit | None]:
    """Return the fits of host and device memory."""
    used = [each for _, each in known]
    return [
        _memory("host", [(n, each.memory) for n, each in known], host_limit(used)),
        _memory("device", [(n, each.device_allocated) for n, each in known], device_limit(used)),
    ]


def _memory(kind: str, known: Sequence[tuple[int, Memory | None]], limit: float | None) -> MemoryFit | None:
    rows = [(n, held.peak_bytes) for n, held in known if held is not None]
    atoms = np.array([n for n, _ in rows], np.float64)
    if len(np.unique(atoms)) < FEWEST_SIZES:
        return None
    fit = slope(atoms, np.array([each for _, each in rows], np.float64))
    if fit is None:
        return None
    per_atom, at_zero = fit
    if limit is None or per_atom.low <= 0:
        return MemoryFit(kind, per_atom, at_zero, limit)
    room = max(limit - at_zero, 0.0)
    found = Estimate(*(room / each for each in (per_atom.value, per_atom.high, per_atom.low)))
    return MemoryFit(kind, per_atom, at_zero, limit, *largest_carried(found, [n for n, _ in rows]))


def too_short(summaries: Sequence[Summary]) -> list[str]:
    """Return a line about runs with too few calls for a reliable median, if any."""
    few = sum(1 for each in summaries if each.latency and each.latency.calls < FEWEST_CALLS)
    text = f"of {len(summaries)} runs {few} had fewer than {FEWEST_CALLS} steady calls: raise --steps"
    return [text] if few else []


def broken_simulations(summaries: Sequence[Summary]) -> list[str]:
    """Return the runs whose simulation is broken, one line each: a sound one may take another time."""
    return [
        f"BROKEN {each.journal.path.name}: {'; '.join(check.text for check in each.soundness.ruined)}"
        for each in summaries
        if each.soundness.ruined
    ]


def not_as_pinned(summaries: Sequence[Summary], threads: int) -> list[str]:
    """Return thread pools whose size differs from the requested one, one line each.

    Args:
        summaries: One per run.
        threads: Requested number of threads.
    """
    found: dict[str, None] = {}
    for summary in summaries:
        environment = summary.journal.environment
        pools = [(each.implementation, each.threads) for each in environment.threads_effective or ()]
        pools += [("torch", environment.torch_threads[0])] if environment.torch_threads else []
        for name, effective in pools:
            if effective != threads:
                found[f"{THREADS_UNEQUAL}: {not_as_requested(name, effective, threads)}"] = None
    return list(found)
