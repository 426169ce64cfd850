"""Input of the rules: a run's summary and derived values that several rules need, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.contractions.traces import measure_traces
from instrumented_calc.analysis.memory.growth import DEVICE, HOST, measure_growth
from instrumented_calc.analysis.statistics.period import find_period
from instrumented_calc.analysis.timing.latency import in_order, median_ns, steady_calls
from instrumented_calc.analysis.timing.stretches import measure_stretches
from instrumented_calc.journal.vocabulary import NOT_MEASURED

if TYPE_CHECKING:
    from instrumented_calc.analysis.contractions.traces import TraceUse
    from instrumented_calc.analysis.memory.growth import MemoryGrowth
    from instrumented_calc.analysis.statistics.period import Period
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.timing.stretches import Stretches
    from instrumented_calc.journal.columns import Calls, Integers
    from instrumented_calc.journal.records import Environment

# Medians need 30 steady calls, tails and drifts 200.
FEWEST_FOR_MEDIAN = 30
FEWEST_FOR_TAIL = 200
# Involuntary context switches per second above which a process competes for its processor: an undisturbed
# one has 1 to 10, and one that shares a processor with a busy loop 50 to 300 (Linux, measured).
COMPETING = 25.0
# Measured share of the time without a processor from which a run is disturbed. Uncalibrated.
WAITED_MUCH = 0.15
ASE_POTENTIALS = frozenset(f"ase.calculators.{name}" for name in ("emt", "lj", "morse", "eam", "tersoff"))
GPU_WORDS = ("cuda", "gpu", "mps", "rocm", "hip", "tpu")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Input of the rules.

    Attributes:
        summary: The run in numbers.
        steady: Rows of the steady calls, outside trace windows, in order.
        usual_ns: Median duration of the steady calls, 0 if there are none.
        sizes: The numbers of atoms of the steady calls, ascending.
        host: Growth of the process's memory, or None if it was not sampled.
        device: Growth of the device's memory, or None if it was not sampled.
        traces: Contents of the trace windows, or None if there are none.
        period: Period of slow calls among the steady ones, or None; not searched if rows were thinned.
        stretches: Wall and CPU time over the course of the run, or None if CPU time was not sampled.
    """

    summary: Summary
    steady: Integers
    usual_ns: float
    sizes: list[int]
    host: MemoryGrowth | None
    device: MemoryGrowth | None
    traces: TraceUse | None
    period: Period | None
    stretches: Stretches | None

    @property
    def calls(self) -> Calls:
        """The rows of the run."""
        return self.summary.journal.calls

    @property
    def all_calls(self) -> str:
        """All outermost calls that returned results, as the coverage of a verdict."""
        made = self.summary.evaluations
        if made.returned >= made.calls:
            return f"all {made.calls:,} calls"
        return f"{made.returned:,} of {made.calls:,} calls, the others failed"

    @property
    def steady_calls(self) -> str:
        """The steady calls, as the coverage of a verdict."""
        return self.part_of_calls(len(self.steady))

    def part_of_calls(self, number: int) -> str:
        """Return the coverage of a verdict that rests on some calls.

        Args:
            number: How many.
        """
        made = self.summary.evaluations
        return self.all_calls if number >= made.returned else f"{number:,} of {made.calls:,} calls"

    @property
    def had_processor(self) -> float:
        """Share of the wall time in which a run beside other programs had a processor; else 1.

        Measured where the system tells how long a thread waited, otherwise from CPU time and preemptions.
        """
        waited = self.summary.processor_wait
        if waited is not None:  # what lacks CPU time beyond it is sleep, or another wait
            return 1 - waited if waited > WAITED_MUCH else 1.0
        found = self.stretches
        if found is None or found.preemptions is None or float(np.mean(found.preemptions)) <= COMPETING:
            return 1.0
        wall = float((found.wall_ns * found.calls).sum())
        return min(float((found.cpu_ns * found.calls).sum()) / wall, 1.0)

    @property
    def successful(self) -> Integers:
        """Rows of the outermost successful calls, including the warm-up, in order."""
        return in_order(self.calls, ~(self.calls.nested | self.calls.raised))

    @property
    def environment(self) -> Environment:
        """The machine and its software."""
        return self.summary.journal.environment

    @property
    def models(self) -> list[dict[str, Any]]:
        """Evidence from integrations about the models of the run."""
        lanes = (each.lane for each in self.summary.lanes)
        return [lane.model for lane in lanes if lane is not None and isinstance(lane.model, dict)]

    @property
    def potentials_of_ase(self) -> bool:
        """Whether all calculators are classical potentials of ASE, which build their own lists."""
        lanes = [each.lane for each in self.summary.lanes]
        modules = {"" if lane is None else str(lane.calculator).rpartition(".")[0] for lane in lanes}
        return bool(modules) and modules <= ASE_POTENTIALS

    @property
    def is_md(self) -> bool:
        """Whether all drivers of the run are integrators, and there is one."""
        return {each.phase.kind for each in self.summary.phases} == {"md"}

    @property
    def on_gpu(self) -> bool | None:
        """Whether a model runs on an accelerator; None if no integration reports its device."""
        devices = [str(model["device"]).lower() for model in self.models if model.get("device")]
        if self.device is not None or any(word in name for name in devices for word in GPU_WORDS):
            return True
        if devices:
            return False
        # Without torch there is no torch model, and a JAX model would have been seen compiling.
        plain = isinstance(self.environment.python, str) and not isinstance(self.environment.torch, dict)
        return False if plain and not len(self.calls.compiled) else None

    @property
    def calculator_ns(self) -> int:
        """Wall time inside the calculator in ns, 0 if unknown."""
        parts = self.summary.breakdown
        return parts.of_kind("component") + parts.of_kind("calculator") if parts is not None else 0

    @property
    def uses_jax(self) -> bool:
        """Whether a model is known to run on JAX."""
        return any("jax" in str(model.get("library", "")).lower() for model in self.models)

    @property
    def without_jax(self) -> bool:
        """Whether JAX is known not to have been loaded at the start of the run."""
        libraries = self.environment.libraries
        return isinstance(libraries, list) and "jax" not in {each.name for each in libraries}

    def was_not_measured(self, probe: str) -> bool:
        """Return whether a probe could not be opened.

        Args:
            probe: Its name in the journal's vocabulary.
        """
        notices = self.summary.journal.notices
        return any(each.kind == NOT_MEASURED and each.text.startswith(probe) for each in notices)


def gather(summary: Summary) -> Evidence:
    """Compute the input of the rules."""
    steady, _ = steady_calls(summary.journal.calls)
    latency = summary.latency
    usual = _usual_ns(summary, steady)
    return Evidence(
        summary=summary,
        steady=steady,
        usual_ns=usual,
        sizes=_sizes(summary.journal.calls.n_atoms[steady]),
        host=measure_growth(summary.journal, HOST),
        device=measure_growth(summary.journal, DEVICE),
        traces=measure_traces(summary.journal, latency.median_ns if latency else None),
        period=_period(summary, steady, usual),
        stretches=measure_stretches(summary.journal.calls, int(steady[0]) if len(steady) else 0),
    )


def _usual_ns(summary: Summary, steady: Integers) -> float:
    if not len(steady):
        return 0.0
    if summary.latency is not None and not summary.journal.slices:
        return summary.latency.median_ns
    return median_ns(summary.journal.calls.wall_ns[steady])


def _period(summary: Summary, steady: Integers, usual_ns: float) -> Period | None:
    calls = summary.journal.calls
    if summary.journal.slices or len(steady) < FEWEST_FOR_TAIL:
        return None
    return find_period(places_of(calls, steady), calls.wall_ns[steady].astype(np.float64), usual_ns)


def places_of(calls: Calls, rows: Integers) -> Integers:
    """Return the places of some outermost calls among all outermost ones, in order of start."""
    order = in_order(calls, ~calls.nested)
    places = np.empty(len(calls), order.dtype)
    places[order] = np.arange(len(order))
    found: Integers = places[rows]
    return found


def _sizes(n_atoms: Integers) -> list[int]:
    # Most runs have one size, and a million numbers are quicker to compare than to sort.
    if len(n_atoms) and n_atoms.min() == n_atoms.max():
        return [int(n_atoms[0])]
    found: list[int] = np.unique(n_atoms).tolist()
    return found
