"""A run in numbers: everything shown in a report, computed once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.conservation import Conservation, measure_conservation
from instrumented_calc.analysis.contractions.contractions import ContractionTotals, measure_contractions
from instrumented_calc.analysis.contractions.conversions import ConversionTotals, measure_conversions
from instrumented_calc.analysis.contractions.gemms import Gemm, measure_gemms
from instrumented_calc.analysis.contractions.traces import TraceUse, measure_traces
from instrumented_calc.analysis.memory.reading import (
    Memory,
    cpu_per_wall,
    measure_host_memory,
    measure_memory,
)
from instrumented_calc.analysis.observers import ObserverUse, all_measured, measure_observers
from instrumented_calc.analysis.places import PlaceTotals, measure_places
from instrumented_calc.analysis.post_mortem import Ending, how_it_ended
from instrumented_calc.analysis.programs import ProgramUse, measure_programs
from instrumented_calc.analysis.soundness.assess import assess_soundness
from instrumented_calc.analysis.step_functions import StepFunctions, measure_step_functions
from instrumented_calc.analysis.step_numbers import number_steps
from instrumented_calc.analysis.timing.breakdown import break_down, component_groups
from instrumented_calc.analysis.timing.compilation import Compilation, measure_compilation
from instrumented_calc.analysis.timing.counts import Count, measure_counts
from instrumented_calc.analysis.timing.device import DeviceUse, measure_device
from instrumented_calc.analysis.timing.latency import (
    Latency,
    SlowCall,
    Warmup,
    measure_latency,
    median_ns,
    slowest_calls,
    steady_calls,
)
from instrumented_calc.analysis.timing.part_spread import PartSpread, measure_spread
from instrumented_calc.analysis.timing.processor_wait import processor_wait
from instrumented_calc.analysis.timing.selection import Selection, select
from instrumented_calc.intervals import covered_ns

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.check import Soundness
    from instrumented_calc.analysis.timing.time_shares import Breakdown
    from instrumented_calc.journal.columns import Calls, Integers
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Lane, Phase

NS_PER_S = 1e9
FEWEST_REPEATS = 10  # among compared geometries, for an estimate of all
S_PER_DAY = 86_400
FS_PER_NS = 1e6


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of a driver, from its first call's start to its last call's end.

    Attributes:
        steps: Completed steps.
        wall_ns: That wall time.
        simulated_fs: Simulated time; None without a known timestep.
    """

    steps: int
    wall_ns: int
    simulated_fs: float | None = None

    @property
    def ms_per_step(self) -> float:
        """Wall time per step, ms."""
        return self.wall_ns / self.steps / 1e6

    @property
    def steps_per_s(self) -> float:
        """Steps per second of wall time."""
        return self.steps / self.wall_ns * NS_PER_S

    @property
    def ns_per_day(self) -> float | None:
        """Simulated nanoseconds per day of wall time."""
        if self.simulated_fs is None:
            return None
        return self.simulated_fs / FS_PER_NS / (self.wall_ns / NS_PER_S) * S_PER_DAY


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """One driver's part of a run; None for values that were not measured.

    Attributes:
        phase: The driver.
        calls: Its outermost calls.
        start_ns: Start of the first one, on the run's clock.
        wall_ns: Time to the end of the last one. Phases of drivers that take turns overlap.
        speed: Speed in this time.
        latency: Latency of its steady calls.
        breakdown: Where this time went.
    """

    phase: Phase
    calls: int
    start_ns: int
    wall_ns: int
    speed: Speed | None
    latency: Latency | None
    breakdown: Breakdown | None


@dataclass(frozen=True, slots=True)
class LaneSummary:
    """One wrapped calculator: its calls, including nested ones (thinned calls have no lane)."""

    number: int
    lane: Lane | None
    calls: int
    wall_ns: int
    median_ns: float


@dataclass(frozen=True, slots=True)
class Evaluations:
    """How often the calculator was asked for results, and how often it computed them.

    Attributes:
        calls: Outermost calls, including failed ones.
        returned: Outermost calls that returned results.
        nested: Calls inside other recorded calls.
        failed: Outermost calls that raised, other than PropertyNotImplementedError.
        per_step: Calls per completed step.
        per_geometry: Calls per distinct geometry: above 1, something is recomputed.
        get_property: Requests from outside a calculation; None, as the following ones, if they are not seen.
        cache_hits: Requests answered without a calculation.
        not_implemented: Requests answered by PropertyNotImplementedError.
    """

    calls: int
    returned: int
    nested: int
    failed: int
    per_step: float | None
    per_geometry: float | None
    get_property: int | None
    cache_hits: int | None
    not_implemented: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One journal in numbers; None for values that were not measured.

    `steps` has the step that each call belongs to, see `number_steps`.
    """

    journal: Journal
    soundness: Soundness
    steps: Integers
    ending: Ending
    wall_ns: int | None
    evaluations: Evaluations
    speed: Speed | None
    us_per_atom: float | None
    latency: Latency | None
    warmup: Warmup | None
    slowest: list[SlowCall]
    breakdown: Breakdown | None
    spread: dict[str, PartSpread]
    phases: list[PhaseSummary]
    lanes: list[LaneSummary]
    failures: dict[str, int]
    compilation: Compilation | None
    device: DeviceUse | None
    counts: list[Count]
    contractions: ContractionTotals | None
    conversions: ConversionTotals | None
    traces: TraceUse | None
    places: PlaceTotals | None
    observers: list[ObserverUse] | None
    step_functions: StepFunctions | None
    gemms: tuple[Gemm, ...]
    conservation: list[Conservation]
    memory: Memory | None
    device_allocated: Memory | None
    device_peak: Memory | None
    device_reserved: Memory | None
    cpu_per_wall: float | None
    processor_wait: float | None
    programs: ProgramUse | None

    @property
    def katom_steps_per_s(self) -> float | None:
        """Thousand atoms times steps per second; None if the number of atoms varied or is unknown."""
        sizes = np.unique(self.journal.calls.n_atoms)
        sizes = sizes[sizes > 0]
        if self.speed is None or len(sizes) != 1:
            return None
        return float(sizes[0]) * self.speed.steps_per_s / 1e3


def summarize(journal: Journal) -> Summary:
    """Compute everything that a report shows about one journal."""
    calls = journal.calls
    whole = select(journal)
    steady, warmup = steady_calls(calls)
    groups = component_groups(journal.lanes.values())
    latency = measure_latency(calls, steady, journal.slices)
    edges = whole.edges_ns
    steps = number_steps(journal)
    phases = _phases(journal, whole, steady, latency, groups, steps)
    speed = _total_speed(phases)
    traces = measure_traces(journal, latency.median_ns if latency else None)
    known = all_measured(journal)
    breakdown = break_down(whole, list(journal.phases.values()), groups, observers_known=known)
    evaluations = _evaluations(journal, whole, phases, speed)
    failures = dict(Counter(_outermost_failures(journal)).most_common())
    soundness = assess_soundness(journal, evaluations.calls, evaluations.returned, failures, steps)
    if soundness.ruined:  # time that was not simulated
        speed = _without_simulated_time(speed)
        phases = [replace(phase, speed=_without_simulated_time(phase.speed)) for phase in phases]
    return Summary(
        journal=journal,
        soundness=soundness,
        steps=steps,
        ending=how_it_ended(journal, steps),
        wall_ns=edges[1] - edges[0] if edges else None,
        evaluations=evaluations,
        speed=speed,
        us_per_atom=_us_per_atom(whole, steady),
        latency=latency,
        warmup=warmup,
        slowest=slowest_calls(
            calls, _explicable(calls, steady), steps, latency.median_ns if latency else 0.0
        ),
        breakdown=breakdown,
        spread=measure_spread(whole),
        phases=phases,
        lanes=_lanes(journal),
        failures=failures,
        compilation=measure_compilation(calls),
        device=measure_device(calls, steady),
        counts=measure_counts(calls),
        contractions=measure_contractions(journal, speed.steps if speed else None),
        conversions=measure_conversions(journal),
        traces=traces,
        places=measure_places(journal, breakdown),
        observers=measure_observers(journal, breakdown),
        step_functions=measure_step_functions(journal),
        gemms=measure_gemms(traces),
        conservation=measure_conservation(journal),
        memory=measure_host_memory(journal),
        device_allocated=measure_memory(calls, "device_allocated_bytes"),
        device_peak=measure_memory(calls, "device_peak_bytes"),
        device_reserved=measure_memory(calls, "device_reserved_bytes"),
        cpu_per_wall=cpu_per_wall(calls),
        processor_wait=processor_wait(journal.machines),
        programs=measure_programs(journal),
    )


def _without_simulated_time(speed: Speed | None) -> Speed | None:
    return None if speed is None else replace(speed, simulated_fs=None)


def _explicable(calls: Calls, steady: Integers) -> Integers:
    """Return the rows of calls that may be listed as slow: steady ones and those that compiled."""
    compiling = np.flatnonzero(calls.compiling & ~(calls.nested | calls.raised))
    return np.concatenate([steady, compiling]) if len(compiling) else steady


def _phases(  # noqa: PLR0913, PLR0917 - what was computed for the whole run
    journal: Journal,
    whole: Selection,
    steady: Integers,
    latency: Latency | None,
    groups: dict[str, str],
    numbers: Integers,
) -> list[PhaseSummary]:
    found = []
    for number, phase in sorted(journal.phases.items()):
        alone = len(journal.phases) == 1 and bool(np.all(journal.calls.phase == number))
        selection = whole if alone else select(journal, number)
        edges = selection.edges_ns
        if edges is None:
            continue
        if not alone:
            ours = steady[selection.mask[steady]]
            latency = measure_latency(journal.calls, ours, selection.slices)
        found.append(
            PhaseSummary(
                phase=phase,
                calls=_count(selection),
                start_ns=edges[0],
                wall_ns=edges[1] - edges[0],
                speed=_speed(selection, phase, edges[1] - edges[0], numbers),
                latency=latency,
                breakdown=break_down(selection, [phase], groups, observers_known=all_measured(journal)),
            )
        )
    return found


def _count(selection: Selection) -> int:
    """Return the number of outermost calls, including thinned ones."""
    rows = selection.rows
    unsliced = len(rows) - int(selection.calls.sliced[rows].sum())
    return unsliced + sum(each.calls for each in selection.slices)


def _raised(selection: Selection) -> int:
    """Return the number of outermost calls that raised any exception, including thinned ones."""
    rows = selection.rows
    unsliced = selection.calls.raised[rows] & ~selection.calls.sliced[rows]
    return int(unsliced.sum()) + sum(each.failed for each in selection.slices)


def _speed(selection: Selection, phase: Phase, wall_ns: int, numbers: Integers) -> Speed | None:
    """Count the steps of a phase, from those completed before its first call to that of its last call.

    A step whose last call raised was not completed.
    """
    completed, own = selection.calls.step[selection.rows], numbers[selection.rows]
    is_md = phase.kind == "md"
    known = completed[completed >= 0]
    firsts, lasts = ([int(known.min())], [int(own.max())]) if len(known) else ([], [])
    for each in selection.slices:
        if isinstance(each.first_step, int) and isinstance(each.last_step, int):
            firsts.append(each.first_step)
            lasts.append(each.last_step + is_md)
    if not firsts or wall_ns <= 0:
        return None
    done = max(lasts) - min(firsts)
    if is_md and _broken_off(selection, own, max(lasts)):
        done -= 1
    if done <= 0:
        return None
    if phase.kind == "md" and isinstance(phase.timestep_fs, (int, float)):
        return Speed(done, wall_ns, done * phase.timestep_fs)
    return Speed(done, wall_ns)


def _broken_off(selection: Selection, numbers: Integers, last: int) -> bool:
    """Return whether the last call of the last step raised."""
    of_last = selection.rows[numbers == last]
    return bool(len(of_last)) and bool(selection.calls.raised[of_last[-1]])


def _total_speed(phases: list[PhaseSummary]) -> Speed | None:
    """Add up phases; simulated time per day counts only MD phases if there are others.

    Time in which several drivers take turns, such as those of replicas, counts once.
    """
    known = [(each, each.speed) for each in phases if each.speed is not None]
    simulating = [(each, speed) for each, speed in known if speed.simulated_fs is not None]
    counted = simulating or known
    if not counted:
        return None
    simulated = sum(speed.simulated_fs or 0.0 for _, speed in simulating) if simulating else None
    wall = covered_ns((each.start_ns, each.start_ns + each.wall_ns) for each, _ in counted)
    return Speed(sum(speed.steps for _, speed in counted), wall, simulated)


def _evaluations(
    journal: Journal, whole: Selection, phases: list[PhaseSummary], speed: Speed | None
) -> Evaluations:
    calls, counters = journal.calls, journal.counters
    if journal.lanes and all(lane.requests_seen is False for lane in journal.lanes.values()):
        counters = None
    stepping = [phase for phase in phases if phase.speed is not None]
    if speed is not None and speed.simulated_fs is not None:
        stepping = [phase for phase in stepping if phase.speed and phase.speed.simulated_fs]
    nested = calls.nested & ~calls.sliced
    failed = int((calls.failed & ~calls.nested & ~calls.sliced).sum())
    return Evaluations(
        calls=_count(whole),
        returned=_count(whole) - _raised(whole),
        nested=int(nested.sum()) + sum(each.nested for each in journal.slices),
        failed=failed + sum(max(each.failed - each.not_implemented, 0) for each in journal.slices),
        per_step=sum(phase.calls for phase in stepping) / speed.steps if speed else None,
        per_geometry=_per_geometry(whole, counters.fingerprints if counters else None),
        get_property=counters.get_property if counters else None,
        cache_hits=counters.cache_hits if counters else None,
        not_implemented=counters.not_implemented if counters else None,
    )


def _per_geometry(whole: Selection, compared: object) -> float | None:
    """Return calls per geometry.

    A call without changes repeats the previous one: this is known of all calls. Others may repeat an earlier
    one: this is known of those whose geometries were compared.
    """
    calls = whole.calls
    counted = ~(calls.nested | calls.sliced)
    if not counted.any() or bool(((calls.changes < 0) & counted).any()):
        return None
    unchanged = calls.change_sets.index(()) if () in calls.change_sets else None
    repeats = 0 if unchanged is None else int(((calls.changes == unchanged) & counted).sum())
    repeats += sum(each.unchanged for each in whole.slices)
    total = _count(whole)
    exact = total / (total - repeats) if total > repeats else None
    again = int((calls.has("repeats") & counted).sum())
    if exact is None or not isinstance(compared, int) or again < FEWEST_REPEATS or compared <= again:
        return exact
    return max(exact, compared / (compared - again))


def _us_per_atom(whole: Selection, steady: Integers) -> float | None:
    """Return the steady calls' time per computed atom, in us."""
    calls = whole.calls
    counted = np.zeros(len(calls), dtype=np.bool_)
    counted[steady] = True
    counted &= ~calls.sliced & (calls.n_atoms > 0)
    known = [each for each in whole.slices if each.atom_calls]
    atoms = int(calls.n_atoms.sum(dtype=np.int64, where=counted))
    atoms += sum(each.atom_calls for each in known)
    wall = int(calls.wall_ns.sum(dtype=np.int64, where=counted))
    wall += sum(each.wall_ns for each in known)
    return wall / atoms / 1e3 if atoms else None


def _lanes(journal: Journal) -> list[LaneSummary]:
    calls = journal.calls
    numbers = np.unique(calls.lane)
    found = []
    for number in numbers[numbers >= 0].tolist():
        wall = calls.wall_ns if len(numbers) == 1 else calls.wall_ns[calls.lane == number]
        found.append(
            LaneSummary(
                number=number,
                lane=journal.lanes.get(number),
                calls=len(wall),
                wall_ns=int(wall.sum(dtype=np.int64)),
                median_ns=median_ns(wall),
            )
        )
    return sorted(found, key=lambda lane: -lane.wall_ns)


def _outermost_failures(journal: Journal) -> list[str]:
    counted = journal.calls.failed & ~journal.calls.nested
    failures = journal.calls.failures
    rows = failures.rows.tolist()
    return [name for row, name in zip(rows, failures.values, strict=True) if counted[row]]
