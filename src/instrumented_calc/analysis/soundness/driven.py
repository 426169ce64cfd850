"""Calculators whose energy may change with time, by their name: biases, moving restraints, fields.

A hill that is added, a restraint that moves or a field that oscillates does work on the atoms. Their total
energy is not conserved then, and its change is not the work of the forces. Noise, or forces of another
model, can look the same in a few pairs of calls, so it is the name that tells: PLUMED's, or a telling one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal

# Not "field" as of a force field.
WORDS = re.compile(
    r"plumed|meta_?d|bias|hills|steer|restrain|umbrella|pull|driven|moving|oscillat|laser"
    r"|(?<!force)(?<!force_)field",
    re.IGNORECASE,
)


def driven_by(journal: Journal) -> str:
    """Return the calculator, or the part of one, that may do work on the atoms; empty if there is none.

    Args:
        journal: The run.
    """
    classes = [str(lane.calculator).rpartition(".")[2] for lane in journal.lanes.values()]
    return next((name for name in (*classes, *journal.calls.components) if WORDS.search(name)), "")
