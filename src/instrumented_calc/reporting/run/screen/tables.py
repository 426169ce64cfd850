"""Tables on the screen: the phases of a run, and the systems of a screening loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, duration, elapsed
from instrumented_calc.reporting.document import Table
from instrumented_calc.reporting.forms.text import table_lines
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.speed_cells import ns_per_day_cell, steps_cell
from instrumented_calc.reporting.run.systems import systems_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.summary import PhaseSummary
    from instrumented_calc.analysis.systems import SystemUse

PHASES_SHOWN = 5
SYSTEMS_SHOWN = 8


def phases_lines(phases: Sequence[PhaseSummary]) -> list[str]:
    """Return a row for each phase; nothing for a single one.

    Args:
        phases: In order.
    """
    if len(phases) < 2:  # noqa: PLR2004 - a single phase is the run
        return []
    rows = []
    for number, each in enumerate(phases[:PHASES_SHOWN], start=1):
        speed = each.speed
        rows.append(
            (
                f"{number}. {identity.phase_words(each.phase)}",
                count(each.calls),
                steps_cell(speed),
                elapsed(each.wall_ns),
                "-" if speed is None else duration(speed.wall_ns / speed.steps),
                ns_per_day_cell(speed),
            )
        )
    if rest := phases[PHASES_SHOWN:]:
        calls, wall = sum(each.calls for each in rest), sum(each.wall_ns for each in rest)
        rows.append((f"{count(len(rest))} more", count(calls), "-", elapsed(wall), "-", "-"))
    headings = ("Phases", "calculations", "steps", "time", "per step", "ns/day")
    return table_lines(Table(headings, tuple(rows)))


def systems_lines(systems: Sequence[SystemUse]) -> list[str]:
    """Return the table of systems as lines; nothing if there is only one.

    Args:
        systems: All of them.
    """
    return table_lines(systems_table(systems, SYSTEMS_SHOWN)) if systems else []
