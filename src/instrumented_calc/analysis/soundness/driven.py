"""Calculators whose energy may change with time, by their name: biases, moving restraints, fields.

A hill that is added, a restraint that moves or a field that oscillates does work on the atoms. Their total
energy is not conserved then, and its change is not the work of the forces. Noise, or forces of another
model, can look the same in a few pairs of calls, so it is the name that tells: PLUMED's, or a telling one.
Whole words count, and none that has another meaning beside the word before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal

# The words of CamelCase and snake_case names: `EField2D` has E, Field, 2, D.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
TELLING = re.compile(
    r"plumed|metadyn(amics)?|bias(es|ed|ing)?|hills?|steer(s|ed|ing)?|restraints?|restrained|umbrella"
    r"|pull(s|ed|ing|er)?|driven|moving|oscillating|laser|(e|electric)fields?"
)
METAD = "metad"
# Before these words, others decide: a force field, a neural field or a data-driven model does no work.
FIELD = re.compile(r"fields?")
OF_FIELDS = re.compile(r"e|ac|dc|electric|magnetic|external|applied|uniform|static|oscillating|time|laser")
OTHER = re.compile(r"un|de|non|no|without|remove|removes|data|event|energy|model")


def driven_by(journal: Journal) -> str:
    """Return the calculator, or the part of one, that may do work on the atoms; empty if there is none.

    Args:
        journal: The run.
    """
    classes = [str(lane.calculator).rpartition(".")[2] for lane in journal.lanes.values()]
    # Components that are calculators have the names of classes; those that are layers or functions do not.
    inside = [name for name in journal.calls.components if name[:1].isupper()]
    return next((name for name in (*classes, *inside) if _tells(name)), "")


def _tells(name: str) -> bool:
    """Return whether a name says that its bearer does work on the atoms."""
    words = [word.lower() for word in WORD.findall(name)]
    for before, word in zip(["", *words], words, strict=False):
        if FIELD.fullmatch(word):
            if OF_FIELDS.fullmatch(before):
                return True
        elif (TELLING.fullmatch(word) or before + word == METAD) and not OTHER.fullmatch(before):
            return True
    return False
