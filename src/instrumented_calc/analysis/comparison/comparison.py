"""Compare the speed of two groups of runs, provided that they computed the same on the same system."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.comparison.energies import Values, compare_values
from instrumented_calc.analysis.comparison.forces import ForceCheck, compare_forces
from instrumented_calc.analysis.comparison.hardware import VALUES, unequal
from instrumented_calc.analysis.comparison.tolerances import Tolerance, tolerance_of
from instrumented_calc.analysis.experiment_checks import HARDWARE_UNEQUAL, THREADS_UNEQUAL, VALUES_DIFFER
from instrumented_calc.analysis.observation import Observation
from instrumented_calc.analysis.statistics.ratio import Ratio, compare_groups
from instrumented_calc.quantities import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.hardware import Unequal
    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.statistics.student_t import Estimate
    from instrumented_calc.journal.first_energies import Frame

FASTER, SLOWER, SAME, NOT_SURE = "faster", "slower", "not distinguishable", "not sure"
# Keys under test that affect the precision of energies.
PRECISION_KEYS = frozenset({"dtype", "device", "compiled", "gpu"})
ONE_RUN_EACH = (
    "one run on each side does not show how runs of the same code differ, by up to 15 %: give replicates, let"
    " `gate` run them, or accept a verdict on these two runs with --single"
)
# With fewer calls, a run without replicates has no reliable median, or no reliable tail.
FEWEST_CALLS = 30
FEWEST_FOR_P95 = 200
FEWEST_FOR_P99 = 1_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two groups of runs.

    Attributes:
        before: The runs of one side.
        after: The runs of the other side.
        replicated: Whether there are replicates. Otherwise intervals are from the scatter within two single
            runs and apply only to these runs.
        single: Whether the user accepts a verdict on two single runs.
        obstacles: Reasons against a verdict; empty if a verdict is given.
        unequal: Differences in machine and software, including allowed ones.
        values: Result of the comparison of energies.
        forces: Result of the comparison of forces.
        median: Ratio of the medians of the steady calls, after to before; None without steady calls.
        tails: Ratios of p95 and p99, by name.
        components: Ratios of the components' medians, longest first.
        verdict: `faster`, `slower`, `not distinguishable` or `not sure`; None if there are obstacles.
        why: Basis of the verdict, or missing evidence.
    """

    before: tuple[MeasuredRun, ...]
    after: tuple[MeasuredRun, ...]
    replicated: bool
    single: bool
    obstacles: tuple[Observation, ...]
    unequal: tuple[Unequal, ...]
    values: Values
    forces: ForceCheck
    median: Ratio | None
    tails: dict[str, Ratio]
    components: dict[str, Ratio]
    verdict: str | None
    why: str

    @property
    def comparable(self) -> bool:
        """Whether there is a verdict on speed at all."""
        return not self.obstacles

    @property
    def deciding(self) -> Estimate | None:
        """The interval of after over before that decides; None if no decision is possible."""
        if self.median is None or not (self.replicated or self.single):
            return None
        return self.median.interval


def compare(  # noqa: PLR0913 - keyword-only options
    before: Sequence[MeasuredRun],
    after: Sequence[MeasuredRun],
    *,
    allowed: Sequence[str] = (),
    tolerance_ev: float | None = None,
    force_tolerance_ev_a: float | None = None,
    single: bool = False,
) -> Comparison:
    """Compare two groups of runs.

    Args:
        before: At least one run.
        after: At least one run.
        allowed: Keys under test, or `values`.
        tolerance_ev: Largest accepted energy difference, eV per atom; default: by the runs' dtype.
        force_tolerance_ev_a: Largest accepted difference of a force, eV/A; default: by the runs' dtype.
        single: Whether two single runs get a verdict, which then applies only to these runs.
    """
    differing = unequal([run.evidence for run in before], [run.evidence for run in after], allowed)
    usual = tolerance_of(
        [run.evidence for run in (*before, *after)],
        precision_under_test=any(each.key in PRECISION_KEYS for each in differing),
    )
    tolerance = Tolerance(
        usual.energy_ev if tolerance_ev is None else tolerance_ev,
        usual.force_ev_a if force_tolerance_ev_a is None else force_tolerance_ev_a,
    )
    values = _values(before, after, tolerance.energy_ev)
    forces = compare_forces(
        [run.frames for run in before],
        [run.frames for run in after],
        values.places,
        tolerance.force_ev_a,
    )
    obstacles = (
        *_other_system(before, after),
        *_other_values(values, allowed),
        *_other_forces(forces, allowed),
        *_other_hardware(differing),
        *_unsound(before, after),
    )
    replicated = max(len(before), len(after)) > 1
    median, tails = _latencies(before, after)
    verdict, why = _verdict(median, before, after, single=single)
    return Comparison(
        before=tuple(before),
        after=tuple(after),
        replicated=replicated,
        single=single,
        obstacles=obstacles,
        unequal=tuple(differing),
        values=values,
        forces=forces,
        median=median,
        tails=tails,
        components=_components(before, after),
        verdict=None if obstacles else verdict,
        why=why,
    )


def differences_of_replicates(runs: Sequence[MeasuredRun]) -> list[str]:
    """Return why these runs are not replicates of each other, one line each."""
    found = [
        f"{each.name}: {' and '.join(each.before)}"
        for each in unequal([run.evidence for run in runs], [], ())
    ]
    systems = {run.systems for run in runs if run.systems}
    if len(systems) > 1:
        found.append(f"systems: {' and '.join(sorted(_listed(each) for each in systems))}")
    return found


def _values(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun], tolerance_ev: float) -> Values:
    runs = (*before, *after)
    return compare_values(
        [run.frames for run in before],
        [run.frames for run in after],
        tolerance_ev,
        repeatable=all(run.repeatable for run in runs) and len({run.drivers for run in runs}) == 1,
    )


def _unsound(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> tuple[Observation, ...]:
    """Return the runs whose simulation is ruined: the speed of such a run says nothing."""
    found = []
    for run in (*before, *after):
        ruined = run.summary.soundness.ruined if run.summary is not None else ()
        if ruined:
            text = f"{run.name}: the simulation is not sound. {ruined[0].text}"
            found.append(Observation("flagged", text, rule="not-sound"))
    return tuple(found)


def _other_system(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> tuple[Observation, ...]:
    known = [[run.systems for run in side if run.systems] for side in (before, after)]
    if not all(known) or len({*known[0], *known[1]}) == 1:
        return ()
    if {_sizes(each) for each in known[0]} == {_sizes(each) for each in known[1]} and _has_result(
        before, after
    ):
        return ()
    first, second = (" and ".join(dict.fromkeys(_listed(each) for each in side)) for side in known)
    text = f"before {first}, after {second}: compare runs of the same system"
    return (Observation("flagged", text, rule="systems-differ"),)


def _sizes(systems: frozenset[str]) -> frozenset[str]:
    """Return only the numbers of atoms: result files have no formula."""
    return frozenset(each.partition("(")[2].rstrip(")") or each for each in systems)


def _has_result(*sides: Sequence[MeasuredRun]) -> bool:
    return any(run.summary is None for side in sides for run in side)


def _listed(systems: frozenset[str]) -> str:
    names = sorted(systems)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004


def _other_values(values: Values, allowed: Sequence[str]) -> tuple[Observation, ...]:
    if values.verdict != "differ" or VALUES in allowed or values.apart is None:
        return ()
    place = "the first geometry" if not values.frames else f"frame {values.frames + 1}"
    place += _step(values.apart)
    size = (
        "one side is not finite"
        if values.difference_ev is None
        else f"{values.difference_ev:.2g} eV per atom"
    )
    text = (
        f"energies differ at {place}: {size}, {values.tolerance_ev:g} is accepted; if models, positions or"
        " velocities differ on purpose: --allow values"
    )
    return (Observation("flagged", text, rule=VALUES_DIFFER),)


def _other_forces(forces: ForceCheck, allowed: Sequence[str]) -> tuple[Observation, ...]:
    if forces.apart is None or forces.largest_ev_a is None or VALUES in allowed:
        return ()
    text = (
        f"forces differ at call {forces.apart.index}{_step(forces.apart)}: {forces.largest_ev_a:.2g} eV/A,"
        f" {forces.tolerance_ev_a:g} is accepted, although the energies agree; if models differ on purpose:"
        " --allow values"
    )
    return (Observation("flagged", text, rule=VALUES_DIFFER),)


def _step(frame: Frame) -> str:
    return "" if frame.step is None else f" (after {plural(frame.step, 'step')})"


def _other_hardware(differing: Sequence[Unequal]) -> tuple[Observation, ...]:
    found = []
    for each in differing:
        if not each.allowed:
            rule = THREADS_UNEQUAL if each.key == "threads" else HARDWARE_UNEQUAL
            sides = [" and ".join(side) or "unknown" for side in (each.before, each.after)]
            name = each.name if each.name == each.key else f"{each.key}, {each.name}"
            text = f"{name}: before {sides[0]}, after {sides[1]}; if this is under test: --allow {each.key}"
            found.append(Observation("flagged", text, rule=rule))
    return tuple(found)


def _latencies(
    before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]
) -> tuple[Ratio | None, dict[str, Ratio]]:
    sides = [[run for run in side if run.quantiles_ns] for side in (before, after)]
    if not all(sides):
        return None, {}
    single = all(len(side) == 1 for side in sides)
    spreads = [run.spread() if single else None for side in sides for run in side]
    fewest = min(run.calls for side in sides for run in side)
    found = {}
    for place, (name, needed) in enumerate(
        (("median", FEWEST_CALLS), ("p95", FEWEST_FOR_P95), ("p99", FEWEST_FOR_P99))
    ):
        quantiles = [np.array([run.quantiles_ns[place] for run in side]) for side in sides]
        enough = single and fewest >= needed
        errors = [(each.log_errors[place], each.reach) if each and enough else None for each in spreads]
        found[name] = compare_groups(quantiles[0], quantiles[1], errors)
    return found.pop("median"), found


def _verdict(
    median: Ratio | None,
    before: Sequence[MeasuredRun],
    after: Sequence[MeasuredRun],
    *,
    single: bool,
) -> tuple[str, str]:
    if median is None:
        return NOT_SURE, "no steady calls on one side"
    if len(before) == len(after) == 1 and not single:
        return NOT_SURE, ONE_RUN_EACH
    interval = median.interval
    if interval is None:
        fewest = min(run.calls for run in (*before, *after))
        if fewest < FEWEST_CALLS:
            return NOT_SURE, f"{fewest} steady calls; without replicates {FEWEST_CALLS} are needed"
        return NOT_SURE, "too correlated calls, or too short runs, for an interval"
    counts = f"{len(before)} and {len(after)} runs"
    why = f"95 % interval from the scatter between {counts}"
    if len(before) == len(after) == 1:
        why = "on these two runs only: 95 % block-bootstrap interval from the scatter within each"
    elif 1 in (len(before), len(after)):
        why += "; the side with one run is assumed to scatter like the other"
    if interval.high < 1:
        return FASTER, why
    return (SLOWER if interval.low > 1 else SAME), why


def _components(before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]) -> dict[str, Ratio]:
    sides = [
        [{name: _typical(times) for name, times in run.parts_ns.items()} for run in side]
        for side in (before, after)
    ]
    found = {}
    for name in dict.fromkeys(name for side in sides for run in side for name in run):
        times = [np.array([run.get(name, math.nan) for run in side]) for side in sides]
        found[name] = compare_groups(times[0], times[1], [])
    return dict(sorted(found.items(), key=lambda item: -max(item[1].before_ns or 0, item[1].after_ns or 0)))


def _typical(times: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Return the median, or the mean if the median is zero because most calls skip this part."""
    if not len(times):
        return math.nan
    return float(np.median(times)) or float(times.mean()) or math.nan
