"""cProfile results of each mode, as tables of a report and as CSV."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.quantities import count, figures, percent
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.study.hotspots import Hotspot, ProfiledMode

ROWS_SHOWN = 5
MS = 1e3
REMARK = (
    "cProfile slows every Python function call, and so inflates Python frames relative to"
    " compiled code: these cells are separate, and no figure above uses them. Host time only."
)


def hotspots_name(workload: str, mode: str) -> str:
    """Return the name of a mode's table.

    Args:
        workload: As the user types it.
        mode: The mode.
    """
    return f"hotspots_{re.sub(r'[^A-Za-z0-9.+-]+', '_', workload)}_{mode}.csv"


def hotspots_rows(profiled: ProfiledMode) -> list[dict[str, Any]]:
    """Return the table of a mode, in the columns of ingested profiles; times over all evaluations.

    Args:
        profiled: cProfile result.
    """
    source = f"{profiled.file} {profiled.mode} {profiled.tag} under cProfile"
    return [
        {"source": source, **asdict(each), "evaluations": profiled.evaluations} for each in profiled.functions
    ]


def hotspots_section(modes: Sequence[ProfiledMode]) -> Section | None:
    """Return the functions with the largest own time, or None if nothing was profiled.

    Args:
        modes: cProfile results of each mode.
    """
    if not modes:
        return None
    rows = tuple(
        (
            one_line(f"{mode.mode}: {_where(each)}"),
            count(round(each.calls / mode.evaluations)) if each.calls >= mode.evaluations else "< 1",
            figures(each.own_s / mode.evaluations * MS),
            figures(each.cumulative_s / mode.evaluations * MS),
            percent(each.own_share),
        )
        for mode in modes
        for each in mode.functions[:ROWS_SHOWN]
    )
    headings = ("mode: function", "calls", "own, ms", "cumulative, ms", "share of the call")
    inputs = ", ".join(dict.fromkeys(f"{each.file} ({each.tag})" for each in modes))
    remark = one_line(f"Per evaluation of {inputs}, under cProfile. {REMARK}")
    return Section("Hotspots under cProfile", (Table(headings, rows), Paragraph((remark,))))


def _where(each: Hotspot) -> str:
    return f"{each.function} ({each.file}:{each.line})" if each.file else each.function
