"""Speed, time, memory and replicas of a wanted trajectory, predicted from runs of several sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.comparison.hardware import evidence_of, unequal
from instrumented_calc.analysis.scaling import device_limit, host_limit
from instrumented_calc.analysis.sizing.extrapolation import beyond, law_of, objection
from instrumented_calc.analysis.sizing.memory_need import MemoryNeed, memory_need
from instrumented_calc.analysis.sizing.replicas import Replicas, processors_of, replicas_of
from instrumented_calc.analysis.sizing.run_cost import RunCost, run_cost
from instrumented_calc.analysis.statistics.size_law import FEWEST_SIZES, PARAMETERS
from instrumented_calc.analysis.statistics.student_t import Estimate
from instrumented_calc.errors import ExperimentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.statistics.size_law import SizeLaw
    from instrumented_calc.analysis.summary import Summary

NS_PER_S, FS_PER_NS, S_PER_DAY = 1e9, 1e6, 86_400


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A wanted trajectory.

    Attributes:
        n_atoms: Number of atoms.
        simulated_ns: Its length, ns of simulated time.
        timestep_fs: Time step, fs; None: that of the runs.
    """

    n_atoms: int
    simulated_ns: float
    timestep_fs: float | None = None


@dataclass(frozen=True, slots=True)
class JobSize:
    """What a trajectory needs, with 95 % prediction intervals.

    Attributes:
        trajectory: The wanted trajectory.
        timestep_fs: Its time step, fs.
        steps: Its steps.
        runs: Number of runs of several sizes.
        smallest: Smallest measured number of atoms.
        largest: Largest measured number of atoms.
        power: Power of the number of atoms with which the time of a step grows, beyond its fixed part.
        step_ns: Wall time of a step, ns.
        ns_per_day: Simulated ns per day.
        start_ns: Longest start of the runs, ns: the time before the steady part.
        wall_ns: Wall time of the job, ns.
        memory: Host memory, and device memory if it was measured.
        processors: Processors that one run keeps busy, rounded up; None if not measured.
        replicas: Runs side by side; None if their processors or memory are not known.
        grows: Kinds of memory that kept growing during a run.
    """

    trajectory: Trajectory
    timestep_fs: float
    steps: int
    runs: int
    smallest: int
    largest: int
    power: float
    step_ns: Estimate
    ns_per_day: Estimate
    start_ns: float
    wall_ns: Estimate
    memory: tuple[MemoryNeed, ...]
    processors: int | None
    replicas: Replicas | None
    grows: tuple[str, ...]

    @property
    def beyond(self) -> float:
        """Factor by which the size is outside the measured ones; 1 within them."""
        return beyond(self.trajectory.n_atoms, (self.smallest, self.largest))


def size_job(summaries: Sequence[Summary], wanted: Trajectory, own: Summary | None = None) -> JobSize:
    """Predict what a trajectory needs.

    Args:
        summaries: Runs of one calculator at several sizes.
        wanted: The trajectory.
        own: A run of the user's own program, of any one size, to which the laws are moved.

    Raises:
        ExperimentError: The runs cannot be compared, or do not carry the prediction.
    """
    costs = [cost for each in summaries if (cost := run_cost(each)) is not None]
    mine = None if own is None else _cost_of_own(own)
    _check_equal(summaries if own is None else [*summaries, own])
    law = _law_of_time(costs)
    used = costs
    if mine is not None:
        law, used = law.through(mine.n_atoms, mine.step_ns), [mine]
    timestep = wanted.timestep_fs or _timestep(used)
    step = _carried(law, wanted.n_atoms, costs)
    steps = math.ceil(wanted.simulated_ns * FS_PER_NS / timestep - 1e-9)  # as far as floats are exact
    start = max(each.start_ns for each in used)
    memory = [memory_need("host", costs, mine, wanted.n_atoms, host_limit(summaries))]
    if any(each.device_bytes is not None for each in costs):
        memory.append(memory_need("device", costs, mine, wanted.n_atoms, device_limit(summaries)))
    processors = processors_of(used)
    return JobSize(
        trajectory=wanted,
        timestep_fs=timestep,
        steps=steps,
        runs=len(costs),
        smallest=min(each.n_atoms for each in costs),
        largest=max(each.n_atoms for each in costs),
        power=law.power,
        step_ns=step,
        ns_per_day=_speed(step, timestep),
        start_ns=start,
        wall_ns=Estimate(*(start + steps * each for each in (step.value, step.low, step.high))),
        memory=tuple(memory),
        processors=processors,
        replicas=replicas_of(processors, memory, summaries[-1].journal.environment),
        grows=tuple(dict.fromkeys(kind for each in used for kind in each.grows)),
    )


def _cost_of_own(own: Summary) -> RunCost:
    found = run_cost(own)
    if found is None:
        message = (
            f"{own.journal.path}: no steady and sound dynamics of one number of atoms; record another run"
        )
        raise ExperimentError(message)
    return found


def _check_equal(summaries: Sequence[Summary]) -> None:
    for each in unequal([evidence_of(summary.journal) for summary in summaries], [], ()):
        values = " and ".join(each.before)
        message = f"the runs differ in {each.key}, {each.name}: {values}; measure all of them alike"
        raise ExperimentError(message)


def _law_of_time(costs: Sequence[RunCost]) -> SizeLaw:
    law = law_of([(each.n_atoms, each.step_ns) for each in costs])
    if law is None:
        sizes = len({each.n_atoms for each in costs})
        message = (
            f"runs with steady dynamics: {len(costs)}, of {sizes} sizes; a prediction needs {PARAMETERS + 1},"
            f" of {FEWEST_SIZES} sizes: instrumented-calc scale --sizes 32,108,256,500"
        )
        raise ExperimentError(message)
    return law


def _timestep(costs: Sequence[RunCost]) -> float:
    known = {each.timestep_fs for each in costs if each.timestep_fs is not None}
    if len(known) != 1:
        message = f"the runs have {len(known)} known time steps; give --timestep in fs"
        raise ExperimentError(message)
    return known.pop()


def _carried(law: SizeLaw, n_atoms: int, costs: Sequence[RunCost]) -> Estimate:
    """Return the time of a step, if the law carries it."""
    found = law.predict(n_atoms)
    why = objection(law, found, beyond(n_atoms, [each.n_atoms for each in costs]))
    if why:
        change = "run scale with sizes nearer to it, or with more --replicates"
        message = f"no prediction for {n_atoms:,} atoms: {why}; {change}"
        raise ExperimentError(message)
    return found


def _speed(step: Estimate, timestep_fs: float) -> Estimate:
    """Return the simulated ns per day; the longest step is the lowest speed."""
    value, low, high = (
        timestep_fs / FS_PER_NS / (each / NS_PER_S) * S_PER_DAY for each in (step.value, step.high, step.low)
    )
    return Estimate(value, low, high)
