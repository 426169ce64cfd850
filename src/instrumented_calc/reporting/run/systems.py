"""The table of the computed systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.journal.vocabulary import OTHER
from instrumented_calc.quantities import count, duration, elapsed, figures
from instrumented_calc.reporting.document import Table
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.systems import SystemUse


def systems_table(systems: Sequence[SystemUse], shown: int) -> Table:
    """Return the systems with the most time, by size, and a row for all others.

    Args:
        systems: All of them.
        shown: How many have a row.
    """
    most = sorted(systems, key=lambda each: -each.wall_ns)
    large = most if len(most) <= shown else most[: shown - 1]
    rows = [
        (
            _formula(each),
            count(each.n_atoms),
            count(each.calls),
            elapsed(each.wall_ns),
            duration(each.median_ns),
            figures(each.us_per_atom),
        )
        for each in sorted(large, key=lambda each: (each.n_atoms, each.formula or ""))
    ]
    if rest := most[len(large) :]:
        sizes = [each.n_atoms for each in rest]
        calls, wall = sum(each.calls for each in rest), sum(each.wall_ns for each in rest)
        sized = f"{count(min(sizes))} to {count(max(sizes))}"
        rows.append((f"{count(len(rest))} others", sized, count(calls), elapsed(wall), "-", "-"))
    return Table(("Systems", "atoms", "calculations", "time", "median", "us/atom"), tuple(rows))


def _formula(system: SystemUse) -> str:
    if system.formula is None:
        return "various"
    return "other" if system.formula == OTHER else identity.one_line(system.formula)
