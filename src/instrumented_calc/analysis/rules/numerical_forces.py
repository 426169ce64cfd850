"""The rule on forces from differences of energies: six calculations per atom instead of one derivative."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instrumented_calc.analysis.places import newest_places
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, too_few
from instrumented_calc.journal.vocabulary import CALCULATOR
from instrumented_calc.quantities import count, percentage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

AXES, BOTH_SIDES = 3, 2
FEWEST_ATOMS = 2
# Energies beyond those of the displacements: that of the geometry itself, and 12 for a numerical stress.
FURTHER = (0, 1, 2, 12, 13, 14)
# Share of the time of the displaced calculations. Uncalibrated.
LEAST_SHARE = 0.2
# Least time of one displaced calculation of a function that is only counted: a pair of atoms takes less, and
# a lattice in which each atom has six neighbours has as many pairs. Uncalibrated.
LEAST_NS = 30_000
CALCULATORS = ("", "ase")  # packages of functions that return energies: the user's own and ASE's
FEWEST_SAMPLES = 5
STRESS = "Have the calculator derive the stress, or compute it in fewer steps."
NAMES = re.compile(r"numeric(al)?_?(force|stress|grad|deriv|diff)|finite_?diff|central_?diff", re.IGNORECASE)


class _Differences(NamedTuple):
    """Energies at displaced positions, as some evidence shows them.

    Attributes:
        words: What calculates them.
        calls: Their number per call of the calculator, or per step; None if unknown.
        share: Their share of the wall time.
    """

    words: str
    calls: float | None
    share: float


def numerical_forces(evidence: Evidence) -> Observation:
    """Forces are differences of energies at displaced positions."""
    summary = evidence.summary
    calls, wall = summary.evaluations.calls, summary.wall_ns
    if not wall or calls < FEWEST_FOR_MEDIAN:
        return too_few(FEWEST_FOR_MEDIAN, "calls", calls)
    found = next((each for each in _seen(evidence, wall) if each.share >= LEAST_SHARE), None)
    if found is None:
        return clear("no sign of forces from differences of energies", evidence.all_calls, {}, calls)
    numbers = {"energies": found.calls, "share_of_wall": found.share}
    is_stress = "stress" in found.words
    what = "the stress is" if is_stress else "forces are"
    where = "in strained cells" if is_stress else "at displaced positions"
    text = f"{what} differences of energies {where}: {found.words}"
    text += f", {percentage(found.share)} of the wall time"
    remedy = STRESS if is_stress else None
    return flagged(text, numbers=numbers, n=calls, saving_ns=found.share * wall, remedy=remedy)


def _seen(evidence: Evidence, wall: int) -> Iterator[_Differences]:
    """Yield what each kind of evidence shows, the surest first."""
    if len(evidence.sizes) == 1 and evidence.sizes[0] >= FEWEST_ATOMS:
        atoms = evidence.sizes[0]
        yield from _calls_inside(evidence, atoms, wall)
        yield from _calls_of_a_step(evidence, atoms, wall)
        yield from _counted_functions(evidence, atoms)
    yield from _named_functions(evidence)


def _per_atom(number: float, atoms: int) -> int | None:
    """Return 6 if a number of calculations is that of central differences, 3 of forward ones, else None."""
    whole = round(number)
    if abs(number - whole) > 0.01 * number:
        return None
    if whole - BOTH_SIDES * AXES * atoms in FURTHER:
        return BOTH_SIDES * AXES
    # Forward differences need the energy of the geometry itself; 3 N alone is anything done for each axis.
    return AXES if whole - AXES * atoms == 1 else None


def _calls_inside(evidence: Evidence, atoms: int, wall: int) -> Iterator[_Differences]:
    """Recorded calls inside others."""
    made, calls = evidence.summary.evaluations, evidence.calls
    number = made.nested / made.calls
    per_atom = _per_atom(number, atoms)
    if per_atom is None:
        return
    outer = calls.wall_ns[~calls.nested].sum(dtype=np.int64)
    inner = calls.wall_ns[calls.nested].sum(dtype=np.int64)
    if inner >= LEAST_SHARE * outer:
        share = (number - 1) / (number + 1) * evidence.calculator_ns / wall  # two energies remain
        words = f"each call makes {number:,.0f} others, {per_atom} for each of {count(atoms)} atoms"
        yield _Differences(words, number, share)


def _calls_of_a_step(evidence: Evidence, atoms: int, wall: int) -> Iterator[_Differences]:
    """Calls of the calculator that ask only for the energy of moved atoms, 6 N in each step."""
    summary, calls = evidence.summary, evidence.calls
    number = summary.evaluations.per_step
    rows = np.flatnonzero(~(calls.nested | calls.raised))
    if number is None or not len(rows):
        return
    plain = [place for place, names in enumerate(calls.property_sets) if not {"forces", "stress"} & {*names}]
    only_energy = np.isin(calls.properties[rows], plain)
    asked = float(only_energy.mean()) * number
    per_atom = _per_atom(asked, atoms)
    if per_atom is not None:
        share = float(only_energy.mean()) * evidence.calculator_ns / wall
        words = f"each step asks for {asked:,.0f} energies, {per_atom} for each of {count(atoms)} atoms"
        yield _Differences(words, asked, share)


def _counted_functions(evidence: Evidence, atoms: int) -> Iterator[_Differences]:
    """Functions of the profiled steps: one that is called 6 N times, and what it calls."""
    found = evidence.summary.step_functions
    inside = [each for each in found.functions if each.part == CALCULATOR] if found is not None else []
    for each in inside:
        per_atom = _per_atom(each.calls, atoms)
        if per_atom is None or not each.function or each.package not in CALCULATORS:
            continue
        below = [other for other in inside if other.calls >= each.calls]
        if sum(other.ns for other in below) >= LEAST_NS * each.calls:
            share = sum(other.share for other in below)
            words = f"each call of the calculator calls {each.function} {each.calls:,.0f} times,"
            words += f" {per_atom} for each of {count(atoms)} atoms"
            yield _Differences(words, each.calls, share)


def _named_functions(evidence: Evidence) -> Iterator[_Differences]:
    """Sampled stacks with a function that is named for it."""
    record = newest_places(evidence.summary.journal)
    if record is None or not record.ns:
        return
    named = {place: line.function for place, line in enumerate(record.lines) if NAMES.search(line.function)}
    within = [each for each in record.stacks if each.part == CALCULATOR and named.keys() & {*each.stack}]
    if sum(each.samples for each in within) >= FEWEST_SAMPLES:
        name = next(named[place] for place in within[0].stack if place in named)
        share = sum(each.ns for each in within) / record.ns
        yield _Differences(f"{name} calculates {'it' if 'stress' in name else 'them'}", None, share)


RULES = (
    Rule(
        "numerical-forces",
        "cost",
        "Derive the forces, by hand or automatically: they then take about as long as two energies.",
        "Forces of both agree to about the square of the displacement.",
        numerical_forces,
    ),
)
