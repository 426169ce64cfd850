"""The table of `peers.py` as Markdown, in the marked block of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.statistics.student_t import Estimate

BEGIN, END = "<!-- begin: peers -->", "<!-- end: peers -->"
NOT_MEASURED = "Not measured on a quiet machine yet."  # in place of the tables until they are written


class Cell(NamedTuple):
    """A tool on a workload: its time over the bare one's, or why there is none."""

    ratio: Estimate | None = None
    reason: str = ""


class Column(NamedTuple):
    """A workload: the bare time in ns, of a call or a process, and a cell of each tool."""

    name: str
    base_ns: float
    cells: Mapping[str, Cell]


def rendered(
    inside: Sequence[Column], whole: Sequence[Column], absent: Mapping[str, str], machine: str
) -> str:
    """Return the block, without its marks.

    Args:
        inside: Tools in the process, per workload.
        whole: Whole processes, per workload.
        absent: Workloads that were not measured, and why.
        machine: Where and when this was measured, in a sentence.
    """
    notes: list[str] = []
    parts = [_table("Added to a step", inside, notes)] if inside else []
    if whole:
        parts.append(_table("Added to a whole run, start and end included", whole, notes))
    for name, reason in absent.items():
        parts.append(f"Not measured: {name} ({reason}).")
    parts += [f"({number}) {note}." for number, note in enumerate(notes, 1)]
    return "\n\n".join([*parts, machine] if machine else parts)


def _table(title: str, columns: Sequence[Column], notes: list[str]) -> str:
    lines = [
        f"| {title} | {' | '.join(each.name for each in columns)} |",
        "|---|" + "---:|" * len(columns),
        f"| bare | {' | '.join(_time(each.base_ns) for each in columns)} |",
    ]
    for tool in columns[0].cells:
        cells = (_cell(each.cells[tool], notes) for each in columns)
        lines.append(f"| {tool} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(cell: Cell, notes: list[str]) -> str:
    if cell.ratio is None:
        if cell.reason not in notes:
            notes.append(cell.reason)
        return f"- ({notes.index(cell.reason) + 1})"
    value, low, high = (100 * (each - 1) for each in (cell.ratio.value, cell.ratio.low, cell.ratio.high))
    digits = 0 if max(abs(low), abs(high)) >= 30 else 1
    return f"{value:+.{digits}f} % [{low:.{digits}f}, {high:.{digits}f}]"


def _time(ns: float) -> str:
    unit, divisor = ("s", 1e9) if ns >= 1e9 else ("ms", 1e6) if ns >= 1e6 else ("us", 1e3)
    return f"{ns / divisor:.3g} {unit}"


def written(page: str, block: str) -> str:
    """Return a page with its marked block replaced.

    Raises:
        ValueError: The page has no such block.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"no block between {BEGIN} and {END}: add these lines where the table belongs"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{block}\n{END}{after}"
