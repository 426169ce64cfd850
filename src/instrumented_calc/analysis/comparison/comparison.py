"""Compare the speed of two groups of runs, provided that they computed the same on the same system."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.comparison.energies import (
    OTHER_PRECISION_EV,
    SAME_PRECISION_EV,
    Values,
    compare_values,
)
from instrumented_calc.analysis.comparison.hardware import VALUES, unequal
from instrumented_calc.analysis.experiment_checks import HARDWARE_UNEQUAL, THREADS_UNEQUAL, VALUES_DIFFER
from instrumented_calc.analysis.observation import Observation
from instrumented_calc.analysis.statistics.ratio import Ratio, compare_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.hardware import Unequal
    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun

FASTER, SLOWER, SAME = "faster", "slower", "not distinguishable"
# Keys under test that affect the precision of energies.
PRECISION_KEYS = frozenset({"dtype", "device", "compiled", "gpu"})
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
        replicated: Whether the scatter between runs is used; otherwise the scatter within two single runs is
            used, and the verdict applies only to these runs.
        obstacles: Reasons against a verdict; empty if a verdict is given.
        unequal: Differences in machine and software, including allowed ones.
        values: Result of the comparison of energies.
        median: Ratio of the medians of the steady calls, after to before; None without steady calls.
        tails: Ratios of p95 and p99, by name.
        components: Ratios of the components' medians, longest first.
        verdict: `faster`, `slower` or `not distinguishable`; None if there are obstacles.
        why: Basis of the verdict, or missing evidence.
    """

    before: tuple[MeasuredRun, ...]
    after: tuple[MeasuredRun, ...]
    replicated: bool
    obstacles: tuple[Observation, ...]
    unequal: tuple[Unequal, ...]
    values: Values
    median: Ratio | None
    tails: dict[str, Ratio]
    components: dict[str, Ratio]
    verdict: str | None
    why: str

    @property
    def comparable(self) -> bool:
        """Whether there is a verdict on speed at all."""
        return not self.obstacles


def compare(
    before: Sequence[MeasuredRun],
    after: Sequence[MeasuredRun],
    *,
    allowed: Sequence[str] = (),
    tolerance_ev: float | None = None,
) -> Comparison:
    """Compare two groups of runs.

    Args:
        before: At least one run.
        after: At least one run.
        allowed: Keys under test, or `values`.
        tolerance_ev: Largest accepted energy difference, eV per atom; default 1e-5, or 1e-3 if precision or
            device is under test.
    """
    differing = unequal([run.evidence for run in before], [run.evidence for run in after], allowed)
    if tolerance_ev is None:
        under_test = any(each.key in PRECISION_KEYS for each in differing)
        tolerance_ev = OTHER_PRECISION_EV if under_test else SAME_PRECISION_EV
    values = _values(before, after, tolerance_ev)
    obstacles = (
        *_other_system(before, after),
        *_other_values(values, allowed),
        *_other_hardware(differing),
        *_unsound(before, after),
    )
    replicated = max(len(before), len(after)) > 1
    median, tails = _latencies(before, after)
    verdict, why = _verdict(median, before, after)
    return Comparison(
        before=tuple(before),
        after=tuple(after),
        replicated=replicated,
        obstacles=obstacles,
        unequal=tuple(differing),
        values=values,
        median=median,
        tails=tails,
        components=_components(before, after),
        verdict=None if obstacles else verdict,
        why=why,
    )


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
    if values.apart.step is not None:
        place += f" (step {values.apart.step:,})"
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
    median: Ratio | None, before: Sequence[MeasuredRun], after: Sequence[MeasuredRun]
) -> tuple[str, str]:
    if median is None:
        return SAME, "no steady calls on one side"
    interval = median.interval
    if interval is None:
        fewest = min(run.calls for run in (*before, *after))
        if fewest < FEWEST_CALLS:
            return SAME, f"{fewest} steady calls; without replicates {FEWEST_CALLS} are needed"
        return SAME, "too correlated calls, or too short runs, for an interval"
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
