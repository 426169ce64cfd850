"""NaN or infinity in energy, forces or positions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from instrumented_calc.analysis.soundness.check import Check, atoms_in_words

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence
    from instrumented_calc.journal.records import State

NAME = "non-finite"
# Quantities of a state, by field: null in the journal if they are not finite.
QUANTITIES = {
    "potential_ev": "energy",
    "kinetic_ev": "kinetic energy",
    "conserved_ev": "conserved energy",
    "volume_a3": "volume",
    "farthest_cells": "positions",
    "force_norm_ev_a": "forces",
    "extent_a": "positions",
}
# What the motion of the atoms follows from. Another result (stress, charges) may be unused.
ESSENTIAL = ("energy", "forces", "positions", "free_energy", "kinetic energy", "conserved energy", "volume")
NAMED_FIRST = ("positions", "forces", "energy")  # in this order; the others follow from them


def check_finite(evidence: PhysicsEvidence) -> Check:
    """Energy, forces or positions are NaN or infinite."""
    journal = evidence.journal
    found = [(each.index, name) for each in journal.states for name in not_finite(each)]
    nulls = journal.calls.sparse.get("energy_not_finite")
    if nulls is not None:
        found += [(int(index), "energy") for index in journal.calls.index[nulls.rows]]
    essential = [(index, name) for index, name in found if name in ESSENTIAL]
    if essential:
        return _broken(evidence, essential)
    if found:
        names = ", ".join(sorted({name for _, name in found}))
        text = f"{names}: not a number since call {min(found)[0]:,}, while energy and forces are finite"
        since = evidence.since(min(found)[0])
        numbers = {"first_call": min(found)[0], "results": names}
        return Check(NAME, "flagged", text, numbers, len(journal.states), since, "info")
    unchecked = evidence.counted("unchecked")
    if unchecked is None:
        if not journal.states:
            return Check(NAME, "not enough evidence", "results were not inspected")
        text = f"all results on the host were finite in {len(journal.states):,} samples"
        return Check(NAME, "clear", text, n=len(journal.states))
    returned = evidence.returned
    text = f"energy, forces and positions are finite in {evidence.returned_calls}"
    if unchecked >= returned:
        missing = "no forces were on the host, where they can be checked"
        return Check(NAME, "not enough evidence", missing if returned else "no call returned results")
    if unchecked:
        text = f"energies are finite in {evidence.returned_calls}"
        text += f", forces in the {returned - unchecked:,} checked ones"
    return Check(NAME, "clear", text, {"unchecked_calls": unchecked}, returned)


def _broken(evidence: PhysicsEvidence, found: list[tuple[int, str]]) -> Check:
    first = min(index for index, _ in found)
    names = sorted({name for index, name in found if index == first})
    named = next((name for name in NAMED_FIRST if name in names), names[0])
    states = [each for each in evidence.journal.states if each.index == first]
    atoms = sorted(
        {atom for each in states if isinstance(each.non_finite_atoms, list) for atom in each.non_finite_atoms}
    )
    exact = "energy" in names or not evidence.counted("unchecked")
    since = replace(evidence.since(first), exact=exact)
    counted = evidence.counted("not_finite")
    times = max(counted or 0, len({index for index, _ in found}))
    last = int(evidence.journal.calls.index.max()) if len(evidence.journal.calls) else first
    passing = counted is not None and last - first >= 2 * times  # most calls since then were finite
    several = named.endswith("s")
    whose = f" of {atoms_in_words(atoms)}" if atoms and several else ""
    verb = ("were" if several else "was") if passing else ("are" if several else "is")
    text = f"The {named}{whose} {verb} not {'numbers' if several else 'a number'}"
    calls = f"in {times:,} calls, first at" if times > 1 else "in one call, at"
    text += f" {calls} {since.words}" if passing else f" since {since.words}"
    numbers = {"first_call": first, "calls": times, "results": ", ".join(names)}
    if atoms:
        numbers["atoms"] = ", ".join(map(str, atoms))
    return Check(NAME, "flagged", text, numbers, max(evidence.calls, times), since)


def not_finite(state: State) -> list[str]:
    """Return what is not finite in a state: results by name, and quantities, which are then null."""
    names = list(state.non_finite) if isinstance(state.non_finite, list) else []
    return names + [name for field, name in QUANTITIES.items() if getattr(state, field) is None]
