"""The rule on calculations beyond those that steps or geometries need, by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from instrumented_calc.analysis.places import wilson_interval
from instrumented_calc.analysis.rules.driver_advice import drivers_of
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, too_few, unknown
from instrumented_calc.analysis.rules.repeated_geometries import find_repeats, short_lived
from instrumented_calc.analysis.rules.usage import NOT_COUNTED, counts_cache_hits
from instrumented_calc.analysis.timing.latency import in_order, median_ns
from instrumented_calc.quantities import percentage

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, Trial
    from instrumented_calc.analysis.rules.repeated_geometries import Repeats
    from instrumented_calc.journal.columns import Calls, Integers, Mask

# Calls per step: 1.05 in 20 steps of plain MD, 2 with NPTBerendsen (ASE 3.29, measured).
CALLS_PER_STEP = 1.5
# Integrators of ASE that calculate twice per step by construction.
TWICE = ("NPTBerendsen", "Inhomogeneous_NPTBerendsen")
# Share of calls that repeat a geometry, outside MD steps that need several anyway. Uncalibrated.
REPEATED = 0.1
# Repeats for each call after which only the positions had changed.
RESTORED = 0.7
# Share of the steps in which a second calculator is called, once, if it is a term of a sum. Uncalibrated.
IN_EACH_STEP = 0.9


class Reason(NamedTuple):
    """Why calculations beyond the first of a step are made."""

    words: str
    remedy: str
    trial: Trial | None = None


CAUSES = {
    "failed": Reason(
        "failed calls were repeated", "Find out why they fail: the report lists their exceptions."
    ),
    "unchanged_atoms": Reason(
        "the geometry had not changed", "See unchanged-atoms.", "all-properties-at-once"
    ),
    "new_calculators": Reason(
        "a new calculator was made for them",
        "Make the calculator once and keep it: a new one has no cached results, and loads its model again.",
        "one-calculator",
    ),
    "other_calculators": Reason(
        "other calculators were called between the steps",
        "If they are wanted, such as a second model, ignore this; else call them less often.",
    ),
    "other_threads": Reason(
        "they overlap other calls, so they come from another thread",
        "Wrap the calculator of that thread with a journal of its own, so that each is judged alone.",
    ),
    "other_structures": Reason(
        "the calculator is shared with other structures",
        "Give each Atoms its own calculator: a shared one forgets its results whenever the atoms change.",
        "one-calculator",
    ),
    "other_geometries": Reason(
        "the same geometry had been calculated before, and the calculator had computed others since",
        "Give each Atoms its own calculator, and displace a copy that has one: a calculator keeps only the "
        "results of its last geometry.",
        "one-calculator",
    ),
    "forgotten_results": Reason(
        "the same geometry had just been calculated, but the calculator had forgotten it",
        "Look for reset(), for results that are deleted, and for copies of calculators, which have none.",
    ),
    "barostat": Reason(
        "this barostat computes the stress of one geometry and the forces of another",
        "Use IsotropicMTKNPT, which needs one calculation per step.",
        "other-barostat",
    ),
    "moved_atoms": Reason(
        "the positions had changed within the step",
        "Look for what moves atoms between steps: an observer, a constraint, the calculator itself, or "
        "another Atoms that shares the calculator.",
    ),
}


def evaluations_per_step(evidence: Evidence) -> Observation:
    """An MD step needs more than one calculation, or geometries are calculated again."""
    repeats = find_repeats(evidence)
    found = _per_step(evidence, repeats)
    if found.verdict != "flagged" and repeats.looked >= FEWEST_FOR_MEDIAN and _surely(evidence, repeats):
        return _repeated(evidence, repeats)
    return found


def _surely(evidence: Evidence, repeats: Repeats) -> bool:
    """Return whether enough calls repeat a geometry, as far as those that were compared can tell."""
    if repeats.looked >= evidence.summary.evaluations.calls:
        return repeats.share >= REPEATED
    return wilson_interval(repeats.share, repeats.looked)[0] >= REPEATED


def _repeated(evidence: Evidence, repeats: Repeats) -> Observation:
    total, looked = evidence.summary.evaluations.calls, repeats.looked
    main = max(repeats.rows, key=lambda name: len(repeats.rows[name]))
    text = (
        f"{percentage(repeats.share)} of the calls calculated a geometry again ({repeats.number:,} of"
        f" {looked:,} that were compared): for {len(repeats.rows[main]):,}, {CAUSES[main].words}"
    )
    rows = np.concatenate(list(repeats.rows.values()))
    lost = float(evidence.calls.wall_ns[rows].sum(dtype=np.int64)) * max(total / looked, 1.0)
    return _caused(evidence, main, text, _figures(repeats), looked, lost)


def _caused(  # noqa: PLR0913, PLR0917 - the data of a finding
    evidence: Evidence, main: str, text: str, numbers: dict[str, Any], n: int, saving_ns: float
) -> Observation:
    """Flag unneeded calls with their main cause, and the time to make calculators that it takes as well."""
    making = _making_calculators(evidence, main)
    numbers = numbers | {"reason": main.replace("_", " ")}
    if making:
        numbers["seconds_to_make_calculators"] = making / 1e9
    cause = CAUSES[main]
    return flagged(
        text,
        numbers=numbers,
        n=n,
        saving_ns=saving_ns,
        outside_ns=making,
        remedy=cause.remedy,
        trial=cause.trial,
    )


def _making_calculators(evidence: Evidence, cause: str) -> float:
    """Return the time between calls that making short-lived calculators took, ns.

    The time before the first call of each, beyond the usual time between calls of one calculator.
    """
    calls = evidence.calls
    rows = in_order(calls, ~(calls.nested | calls.sliced) & (calls.gap_ns >= 0))
    if cause != "new_calculators" or not len(rows):
        return 0.0
    first = np.zeros(len(rows), np.bool_)
    first[np.unique(calls.lane[rows], return_index=True)[1]] = True
    gaps = calls.gap_ns[rows].astype(np.float64)
    usual = float(np.median(gaps[~first])) if not first.all() else 0.0
    made = first & short_lived(calls, rows)[rows]
    made[0] = False  # before the run
    return float(np.clip(gaps[made] - usual, 0, None).sum())


def _figures(repeats: Repeats) -> dict[str, Any]:
    if not repeats.looked:
        return {}
    per_geometry = repeats.looked / max(repeats.looked - repeats.number, 1)
    return {
        "compared_calls": repeats.looked,
        "repeated_calls": repeats.number,
        "calls_per_geometry": per_geometry,
    }


def _per_step(evidence: Evidence, repeats: Repeats) -> Observation:
    phases = [each for each in evidence.summary.phases if each.phase.kind == "md" and each.speed is not None]
    calls = sum(each.calls for each in phases)
    steps = sum(each.speed.steps for each in phases if each.speed is not None)
    if calls < FEWEST_FOR_MEDIAN or not steps:
        return _too_few(evidence, calls)
    if counts_cache_hits(evidence):
        return unknown(NOT_COUNTED)
    per_step = calls / steps
    drivers = ", ".join(sorted({each.phase.driver.rpartition(".")[2] for each in phases}))
    rows = _calls_of(evidence.calls, [each.phase.phase for each in phases])
    extra = _extra_calls(evidence, rows)
    _tell_repeats(extra, repeats, evidence.summary.evaluations.calls)
    terms = _without_terms(evidence.calls, extra, steps)
    number = sum(len(rows) for rows in extra.values())
    shares = {f"share_of_{name}": len(rows) / number for name, rows in extra.items() if number}
    numbers = {"per_step": per_step, "calls": calls, "steps": steps, "drivers": drivers, **shares}
    numbers |= _figures(repeats)
    text = f"{per_step:.2f} calculations per MD step ({drivers})"
    if terms:
        text += f", {terms / steps:.2g} of them by other calculators, which each step calls once"
    if per_step - terms / steps <= CALLS_PER_STEP:
        return clear(text, evidence.part_of_calls(calls), numbers, calls)
    if not number:
        return flagged(text, numbers=numbers, n=calls)
    main = _main(extra)
    text += f"; for {len(extra[main]):,} of the {number:,} beyond one per step, {CAUSES[main].words}"
    if repeats.number:
        text += f"; {percentage(repeats.share)} of the compared calls calculated a geometry again"
    return _caused(evidence, main, text, numbers, calls, _lost_ns(evidence.calls, rows, extra))


def _too_few(evidence: Evidence, calls: int) -> Observation:
    phases = evidence.summary.phases
    if not phases:
        return unknown("no driver that counts its steps", Need("record", "run.attach(dyn)"))
    if all(each.phase.kind != "md" for each in phases):
        return clear("no MD: optimizers and bands need several calls per step", evidence.all_calls)
    return too_few(FEWEST_FOR_MEDIAN, "calls of MD", calls)


def _calls_of(calls: Calls, phases: list[int]) -> Integers:
    """Return the rows of the calls in counted steps of these phases, in order."""
    return in_order(calls, ~(calls.nested | calls.sliced) & np.isin(calls.phase, phases) & (calls.step >= 0))


def _lost_ns(calls: Calls, rows: Integers, extra: dict[str, Integers]) -> float:
    """Return the time of the unneeded ones of these calls, ns.

    Another barostat also changes the cell in the one calculation of a step, for which a potential may need a
    new neighbour list. So it saves the cheaper of the two.
    """
    unneeded = np.concatenate(list(extra.values()))
    lost = float(calls.wall_ns[unneeded].sum(dtype=np.int64))
    twice, needed = extra.get("barostat"), np.setdiff1d(rows, unneeded)
    if twice is None or not len(needed):
        return lost
    cheaper = len(twice) * median_ns(calls.wall_ns[needed])
    return lost - max(float(calls.wall_ns[twice].sum(dtype=np.int64)) - cheaper, 0.0)


def _extra_calls(evidence: Evidence, rows: Integers) -> dict[str, Integers]:
    """Return those of these calls that are not the needed one of their MD step, by cause."""
    if not len(rows):
        return {}
    needed = _needed(evidence.calls, rows)
    left = np.ones(len(rows), np.bool_)
    left[needed] = False
    found = {}
    for name, mask in _masks(evidence, rows, rows[needed]).items():
        ours = left & mask
        if ours.any():
            found[name] = rows[ours]
        left &= ~mask
    return found


def _without_terms(calls: Calls, extra: dict[str, Integers], steps: int) -> int:
    """Remove the calls of calculators that each step calls once: terms of a sum, or members of a committee.

    Returns:
        How many they are.
    """
    rows = extra.pop("other_calculators", np.empty(0, np.int64))
    kept = []
    for lane in np.unique(calls.lane[rows]):
        ours = rows[calls.lane[rows] == lane]
        different = len(np.unique(np.stack([calls.phase[ours], calls.step[ours]]), axis=1).T)
        if different < IN_EACH_STEP * max(len(ours), steps):
            kept.append(ours)
    if kept:
        extra["other_calculators"] = np.sort(np.concatenate(kept))
    return len(rows) - sum(map(len, kept))


def _main(extra: dict[str, Integers]) -> str:
    """Return the cause of most calls: displaced atoms are part of a repeat if they are restored."""
    main = max(extra, key=lambda name: len(extra[name]))
    if main == "moved_atoms" and len(extra.get("other_geometries", ())) >= RESTORED * len(extra[main]):
        return "other_geometries"
    return main


def _tell_repeats(extra: dict[str, Integers], repeats: Repeats, total: int) -> None:
    """Find repeats among calls that only moved atoms explain, in proportion to the compared calls."""
    left = extra.pop("moved_atoms", None)
    if left is None:
        return
    for name, rows in repeats.rows.items():
        known = np.isin(left, rows)
        number = min(round(int(known.sum()) * max(total / repeats.looked, 1.0)), len(left))
        if number:
            first = np.argsort(~known, kind="stable")[:number]
            extra[name] = np.sort(np.concatenate([extra.get(name, left[:0]), left[first]]))
            left = np.delete(left, first)
    if len(left):
        extra["moved_atoms"] = left


def _needed(calls: Calls, rows: Integers) -> Integers:
    """Return for each call the place of the one that its step needs: the last one that moved atoms asked for.

    An observer is called when the step is counted, before the next forces: it comes first in its step.
    """
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (np.diff(calls.step[rows]) != 0) | (np.diff(calls.phase[rows]) != 0)
    step = np.cumsum(begins) - 1
    sizes, number = np.unique(calls.n_atoms[rows], return_counts=True)
    lanes, often = np.unique(calls.lane[rows], return_counts=True)
    usual = (calls.n_atoms[rows] == sizes[number.argmax()]) & (calls.lane[rows] == lanes[often.argmax()])
    wanted = usual & ~calls.failed[rows] & ~_change(calls, rows, lambda names: not names)
    last = np.zeros(int(step[-1]) + 1, np.int64)
    last[step] = np.arange(len(rows))
    last[step[wanted]] = np.flatnonzero(wanted)
    found: Integers = last[step]
    return found


def _masks(evidence: Evidence, rows: Integers, needed: Integers) -> dict[str, Mask]:
    """Return which calls each cause explains, the surest first; `needed` are those that their steps need."""
    calls: Calls = evidence.calls
    start = calls.start_ns[rows].astype(np.int64)
    ends = np.maximum.accumulate(start + calls.wall_ns[rows])
    overlapping = np.zeros(len(rows), np.bool_)
    overlapping[1:] = start[1:] < ends[:-1]
    overlapping[:-1] |= overlapping[1:]
    return {
        "failed": calls.failed[rows],
        "unchanged_atoms": _change(calls, rows, lambda names: not names),
        "other_threads": overlapping,
        "new_calculators": short_lived(calls, rows)[rows],
        "other_calculators": calls.lane[rows] != calls.lane[needed],
        "other_structures": (calls.n_atoms[rows] != calls.n_atoms[needed])
        | _change(calls, rows, _is_of_others),
        "barostat": np.full(len(rows), any(name in TWICE for name in drivers_of(evidence))),
        "moved_atoms": np.ones(len(rows), np.bool_),
    }


def _is_of_others(names: tuple[str, ...]) -> bool:
    """Return whether other elements came. After a reset, all is changed: periodicity, too."""
    return "numbers" in names and "pbc" not in names


def _change(calls: Calls, rows: Integers, wanted: Callable[[tuple[str, ...]], bool]) -> Mask:
    """Return which calls came with changes of a kind."""
    entries = [entry for entry, names in enumerate(calls.change_sets) if wanted(names)]
    found: Mask = np.isin(calls.changes[rows], entries)
    return found


RULES = (
    Rule(
        "evaluations-per-step",
        "cost",
        "Find what asks for a second calculation of a step or a geometry.",
        "In the report, calculations per step are about 1.",
        evaluations_per_step,
        saving_kind="about",
        region="calls",
    ),
)
